#include "capsule.hpp"

#include <memory>
#include <stdexcept>

#include "buffers.hpp"

namespace ranvier {
namespace {

// The binary interface of DLPack 0.x, https://dmlc.github.io/dlpack/latest/c_api.html
struct Device {
    int32_t type, id;
};
struct DataType {
    uint8_t code, bits;
    uint16_t lanes;
};
struct Tensor {
    void* data;
    Device device;
    int32_t ndim;
    DataType dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};
struct Managed {
    Tensor tensor;
    void* context;
    void (*deleter)(Managed*);
};

constexpr int32_t CPU = 1;
constexpr uint8_t UNSIGNED = 1, FLOATING = 2, BFLOATING = 4;

struct Owner : Managed {
    std::vector<int64_t> shape;
    size_t bytes;
};

void release(Managed* managed) {
    auto* owner = static_cast<Owner*>(managed);
    give_buffer_back(static_cast<char*>(owner->tensor.data), owner->bytes);
    delete owner;
}

// Called when the capsule dies: nobody has taken the tensor if it still has its first name.
void drop(PyObject* capsule) {
    if (PyCapsule_IsValid(capsule, "dltensor") != 0) {
        auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, "dltensor"));
        managed->deleter(managed);
    }
}

}  // namespace

nanobind::object fresh_capsule(const std::vector<int64_t>& shape, int item, bool is_bfloat) {
    if (item != 1 && item != 2 && item != 4 && item != 8) throw std::invalid_argument("item: expected 1, 2, 4 or 8 bytes, got " + std::to_string(item));
    size_t bytes = static_cast<size_t>(item);
    for (int64_t size : shape) {
        if (size < 1) throw std::invalid_argument("shape: expected sizes of at least 1, got " + std::to_string(size));
        if (__builtin_mul_overflow(bytes, static_cast<size_t>(size), &bytes)) throw std::bad_alloc();
    }
    auto owner = std::make_unique<Owner>();
    owner->shape = shape;
    owner->bytes = bytes;
    const DataType dtype{item == 1 ? UNSIGNED : item == 2 && is_bfloat ? BFLOATING : FLOATING, static_cast<uint8_t>(8 * item), 1};
    owner->tensor = {take_buffer(bytes), {CPU, 0}, static_cast<int32_t>(shape.size()), dtype, owner->shape.data(), nullptr, 0};
    owner->context = nullptr;
    owner->deleter = release;
    PyObject* capsule = PyCapsule_New(static_cast<Managed*>(owner.get()), "dltensor", drop);
    if (capsule == nullptr) {
        release(owner.release());
        throw nanobind::python_error();
    }
    owner.release();
    return nanobind::steal(capsule);
}

}  // namespace ranvier
