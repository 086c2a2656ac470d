# Installs POMONA_BUILD below WORK, builds tests/install against it, and runs what came out.
set(prefix ${WORK}/prefix)
set(consumer ${WORK}/build)
set(ENV{POMONA_MODELS} ${prefix}/share/pomona/models)
set(ENV{XDG_CONFIG_HOME} ${WORK}/config)
file(REMOVE_RECURSE ${WORK})

function(run output)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE out COMMAND_ERROR_IS_FATAL ANY)
  set(${output} "${out}" PARENT_SCOPE)
endfunction()

function(expect text wanted)
  if(NOT text MATCHES "${wanted}")
    message(FATAL_ERROR "expected '${wanted}' in:\n${text}")
  endif()
endfunction()

run(_ ${CMAKE_COMMAND} --install ${POMONA_BUILD} --prefix ${prefix})
foreach(file bin/pomona share/pomona/models share/doc/Pomona/LICENSE share/doc/Pomona/NOTICE)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()

set(flags -g0)
if(SANITIZE)
  set(flags -fsanitize=${SANITIZE})
endif()
run(_ ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE}/tests/install -B ${consumer}
    -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_CXX_FLAGS=${flags})
run(_ ${CMAKE_COMMAND} --build ${consumer})
run(out ${consumer}/consumer ${SOURCE}/samples/fruits/Banana/0_100.jpg ${WORK}/results)
expect("${out}" "^100 x 100 pixels\n1280 numbers\nno dataset\n$")

set(ENV{POMONA_MODELS}) # the command finds the cards installed with it
run(out ${prefix}/bin/pomona --version)
expect("${out}" "^pomona [0-9]+\\.[0-9]+\\.[0-9]+\n$")
run(out ${prefix}/bin/pomona models list)
expect("${out}" "efficientnet-lite0")
