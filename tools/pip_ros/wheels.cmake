# SPDX-License-Identifier: Apache-2.0
# Given as CMAKE_PROJECT_INCLUDE where ROS 2 comes from wheels; works at the end of the directory, touches nothing in the environment.

# The CMake exports inside the wheels carry include directories of the machine that built them, which make CMake stop here.
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

# Generated type support is many small files with the same large headers: compiled a dozen at a time it costs half.
# (A message inside a message of the same package may then be used before it is specialised: such a package says NO_UNITY.)
function(unite_type_support)
  if(NO_UNITY)
    return()
  endif()
  get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    if(target MATCHES "__rosidl_typesupport_")
      set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
      target_compile_options(${target} PRIVATE -Wno-redundant-decls)
    endif()
  endforeach()
endfunction()

cmake_language(DEFER CALL drop_builder_includes)
cmake_language(DEFER CALL unite_type_support)
