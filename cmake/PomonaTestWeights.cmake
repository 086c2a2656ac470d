# Weight files of the published ResNet50 layouts with made-up values, for the tests of the model
# room: 300 MB in the build folder, made once by tests/golden/make_resnet50_weights.py.
set(POMONA_TEST_PYTHON ${CMAKE_SOURCE_DIR}/.venv/bin/python CACHE FILEPATH
    "Python with numpy and h5py, for making test data")
set(POMONA_TEST_WEIGHTS ${CMAKE_BINARY_DIR}/test-weights)

set(_script ${PROJECT_SOURCE_DIR}/tests/golden/make_resnet50_weights.py)
function(_pomona_test_weights layout file)
  add_custom_command(OUTPUT ${POMONA_TEST_WEIGHTS}/${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${POMONA_TEST_WEIGHTS}
    COMMAND ${POMONA_TEST_PYTHON} ${_script} ${layout} ${POMONA_TEST_WEIGHTS}/${file}
    DEPENDS ${_script} COMMENT "Making test weights ${file}" VERBATIM)
endfunction()
_pomona_test_weights(keras resnet50.h5)
_pomona_test_weights(torchvision resnet50.safetensors)
_pomona_test_weights(torchvision resnet50.pth)
add_custom_target(pomona_test_weights DEPENDS
  ${POMONA_TEST_WEIGHTS}/resnet50.h5 ${POMONA_TEST_WEIGHTS}/resnet50.safetensors
  ${POMONA_TEST_WEIGHTS}/resnet50.pth)

if(TARGET pomona_model_test)
  add_dependencies(pomona_model_test pomona_test_weights)
  target_compile_definitions(pomona_model_test PRIVATE
    POMONA_TEST_WEIGHTS="${POMONA_TEST_WEIGHTS}")
endif()
