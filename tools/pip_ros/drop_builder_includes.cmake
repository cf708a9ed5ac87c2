# SPDX-License-Identifier: Apache-2.0
# The CMake exports inside the ROS 2 wheels carry include directories of the machine that built the wheels, which
# make CMake stop here. Given as CMAKE_PROJECT_INCLUDE, this drops them from the imported targets, at the end of
# the directory; nothing in the environment is touched.
function(drop_builder_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(directories)
      list(FILTER directories EXCLUDE REGEX "^/opt/python/")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${directories}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL drop_builder_includes)
