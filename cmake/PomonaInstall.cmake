# cmake --install: the command, its model cards, and a library that other CMake projects find with
# find_package(Pomona) and link as Pomona::pomona (all rooms) or Pomona::<room>.
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY POMONA_ROOMS)
add_library(pomona_all INTERFACE)
set_target_properties(pomona_all PROPERTIES EXPORT_NAME pomona)
target_link_libraries(pomona_all INTERFACE ${rooms})
add_library(Pomona::pomona ALIAS pomona_all)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Pomona)
install(TARGETS ${rooms} pomona_all EXPORT PomonaTargets)
install(EXPORT PomonaTargets NAMESPACE Pomona:: DESTINATION ${package_dir})
install(DIRECTORY src/pomona DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" REGEX "/(testing|test_[^/]*)(\\.h)?$" EXCLUDE)
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/pomona/models)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/PomonaConfig.cmake.in PomonaConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(PomonaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/PomonaConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/PomonaConfigVersion.cmake cmake/PomonaWheels.cmake
        DESTINATION ${package_dir})

if(TARGET pomona)
  # The libraries stay in the wheels: OpenVINO looks for its plugins beside its own library.
  set_target_properties(pomona PROPERTIES INSTALL_RPATH
    "$<TARGET_FILE_DIR:openvino::runtime>;$<TARGET_FILE_DIR:Arrow::arrow_shared>")
  install(TARGETS pomona)
  foreach(completion bash-completion/completions/pomona zsh/site-functions/_pomona
          fish/vendor_completions.d/pomona.fish)
    string(REGEX MATCH "^[a-z]+" shell ${completion})
    set(file ${CMAKE_CURRENT_BINARY_DIR}/completions/${completion})
    get_filename_component(folder ${completion} DIRECTORY)
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/completions/${folder})
    install(CODE "
      execute_process(COMMAND $<TARGET_FILE:pomona> completions ${shell}
                      OUTPUT_FILE ${file} COMMAND_ERROR_IS_FATAL ANY)")
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
  endforeach()
endif()
