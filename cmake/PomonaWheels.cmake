# OpenVINO (with its oneTBB) and Arrow C++ from installed CMake packages or, where there are none,
# from the Python wheels that requirements/runtime.txt pins: they carry headers and libraries.
# Used by the build and, installed beside PomonaConfig.cmake, by projects that use the library.

set(POMONA_OPENVINO_VERSION 2026.4)
set(POMONA_ARROW_VERSION 26)
set(POMONA_WHEELS "" CACHE PATH "site-packages folder that holds openvino/ and pyarrow/")
if(SKBUILD AND NOT POMONA_WHEELS)  # pip has them in the environment that it builds in
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import importlib.util as u, pathlib as p
print(p.Path(u.find_spec('openvino').origin).parent.parent)"
    OUTPUT_VARIABLE POMONA_WHEELS OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
if(NOT IS_DIRECTORY "${POMONA_WHEELS}/openvino")
  cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH _pomona_root)
  file(GLOB _pomona_site ${POMONA_WHEELS_HINT} ${_pomona_root}/.venv/lib/python3*/site-packages)
  if(_pomona_site)
    list(GET _pomona_site 0 POMONA_WHEELS)
  endif()
endif()

# Both libraries bring a libtbb.so.12 or work with one; only OpenVINO's own is linked, so that one
# oneTBB is loaded whatever else the machine has.
find_package(OpenVINO ${POMONA_OPENVINO_VERSION} QUIET CONFIG
             HINTS ${POMONA_WHEELS}/openvino/cmake COMPONENTS Runtime)
if(NOT OpenVINO_FOUND)
  message(FATAL_ERROR "OpenVINO ${POMONA_OPENVINO_VERSION} not found: run scripts/setup, or set "
                      "POMONA_WHEELS to the site-packages folder of its wheel")
endif()
find_package(TBB REQUIRED CONFIG HINTS ${OpenVINO_DIR})

find_package(Arrow ${POMONA_ARROW_VERSION} QUIET CONFIG)
find_package(Parquet ${POMONA_ARROW_VERSION} QUIET CONFIG)
if(NOT TARGET Parquet::parquet_shared)
  set(_dir ${POMONA_WHEELS}/pyarrow)
  file(GLOB _arrow ${_dir}/libarrow.so.${POMONA_ARROW_VERSION}*)
  file(GLOB _parquet ${_dir}/libparquet.so.${POMONA_ARROW_VERSION}*)
  file(GLOB _s3 ${_dir}/libarrow_s3.so.${POMONA_ARROW_VERSION}*)
  if(NOT _arrow OR NOT _parquet OR NOT _s3)
    message(FATAL_ERROR "Arrow C++ ${POMONA_ARROW_VERSION} not found: run scripts/setup, or set "
                        "POMONA_WHEELS to the site-packages folder of the pyarrow wheel")
  endif()
  add_library(Arrow::arrow_shared SHARED IMPORTED)
  set_target_properties(Arrow::arrow_shared PROPERTIES
    IMPORTED_LOCATION ${_arrow} INTERFACE_INCLUDE_DIRECTORIES ${_dir}/include)
  add_library(Parquet::parquet_shared SHARED IMPORTED)
  set_target_properties(Parquet::parquet_shared PROPERTIES
    IMPORTED_LOCATION ${_parquet} INTERFACE_LINK_LIBRARIES Arrow::arrow_shared)
  add_library(Arrow::arrow_s3_shared SHARED IMPORTED)
  set_target_properties(Arrow::arrow_s3_shared PROPERTIES
    IMPORTED_LOCATION ${_s3} INTERFACE_LINK_LIBRARIES Arrow::arrow_shared)
endif()
if(NOT TARGET Arrow::arrow_s3_shared)  # an installed Arrow has S3 in the library itself
  add_library(Arrow::arrow_s3_shared INTERFACE IMPORTED)
  target_link_libraries(Arrow::arrow_s3_shared INTERFACE Arrow::arrow_shared)
endif()
