# pomona_room(NAME [ROOMS room...] [LIBS lib...] [PRIVATE_LIBS lib...])
#
# Makes the static library pomona_NAME from src/pomona/NAME/**/*.cc, its unit tests from the
# *_test.cc beside them (pomona_NAME_test) and its micro-benchmarks from the *_bench.cc
# (pomona_NAME_bench). ROOMS are the rooms it may include, LIBS what its headers need, PRIVATE_LIBS
# what only its sources need.

function(pomona_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror)
  # Optimised Arrow and nlohmann headers trip these in GCC 12 although the code is sound.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-restrict
                           -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread)
  endif()
endfunction()

add_library(pomona_build_flags INTERFACE)
if(POMONA_SANITIZE)
  target_compile_options(pomona_build_flags INTERFACE -fsanitize=${POMONA_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all -g)
  target_link_options(pomona_build_flags INTERFACE -fsanitize=${POMONA_SANITIZE})
endif()
if(POMONA_COVERAGE)
  target_compile_options(pomona_build_flags INTERFACE --coverage -O0 -g)
  target_link_options(pomona_build_flags INTERFACE --coverage)
endif()
set_property(GLOBAL PROPERTY POMONA_ROOMS "")

function(pomona_room name)
  cmake_parse_arguments(ROOM "" "" "ROOMS;LIBS;PRIVATE_LIBS" ${ARGN})
  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/src/pomona/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(TRANSFORM ROOM_ROOMS PREPEND pomona_)

  add_library(pomona_${name} STATIC ${sources})
  set_target_properties(pomona_${name} PROPERTIES LINKER_LANGUAGE CXX EXPORT_NAME ${name})
  target_compile_features(pomona_${name} PUBLIC cxx_std_20)
  target_include_directories(pomona_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(pomona_${name} PUBLIC ${ROOM_ROOMS} ${ROOM_LIBS}
    PRIVATE ${ROOM_PRIVATE_LIBS} $<BUILD_INTERFACE:pomona_build_flags>)
  pomona_warnings(pomona_${name})
  set_property(GLOBAL APPEND PROPERTY POMONA_ROOMS pomona_${name})

  if(POMONA_TESTS AND tests)
    add_executable(pomona_${name}_test ${tests})
    target_link_libraries(pomona_${name}_test PRIVATE pomona_${name} ${ROOM_PRIVATE_LIBS}
      GTest::gtest_main GTest::gmock PkgConfig::libzip pomona_build_flags)
    target_compile_definitions(pomona_${name}_test PRIVATE
      POMONA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    pomona_warnings(pomona_${name}_test)
    gtest_discover_tests(pomona_${name}_test DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit)
  endif()
  if(POMONA_BENCHMARKS AND benches)
    add_executable(pomona_${name}_bench ${benches})
    target_link_libraries(pomona_${name}_bench PRIVATE pomona_${name} ${ROOM_PRIVATE_LIBS}
      benchmark::benchmark_main pomona_build_flags)
    target_compile_definitions(pomona_${name}_bench PRIVATE
      POMONA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    pomona_warnings(pomona_${name}_bench)
  endif()
endfunction()
