// A matrix of pooled memory as a DLPack capsule, which torch turns into a tensor that owns it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <vector>

namespace ranvier {

// A capsule named "dltensor" of uninitialised numbers of `item` bytes (1: uint8; 2: bfloat16 or float16; 4:
// float32; 8: float64). The memory goes
// back to buffers.hpp when the tensor made of it dies, in whatever thread that happens and without Python's lock.
nanobind::object fresh_capsule(const std::vector<int64_t>& shape, int item, bool is_bfloat);

}  // namespace ranvier
