// Scratch memory of a thread, kept from call to call: fresh large memory costs more than the arithmetic on it.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace ranvier::recurrent {

constexpr size_t LINE = 64;

// Hands out aligned pieces of one thread's memory, in order; all are given back together.
class Arena {
public:
    // Take `bytes` in all, each piece rounded up to lines.
    explicit Arena(size_t bytes) {
        thread_local Buffer buffer;
        next_ = buffer.at_least(bytes);
        end_ = next_ + bytes;
    }
    static size_t round(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

    template <class T>
    T* take(ptrdiff_t numbers) {
        char* piece = next_;
        next_ += round(static_cast<size_t>(numbers) * sizeof(T));
        if (next_ > end_) throw std::bad_alloc();  // only our own miscount
        return reinterpret_cast<T*>(piece);
    }
    template <class T>
    T* take_zeros(ptrdiff_t numbers) {
        T* piece = take<T>(numbers);
        std::memset(static_cast<void*>(piece), 0, static_cast<size_t>(numbers) * sizeof(T));
        return piece;
    }

private:
    class Buffer {
    public:
        char* at_least(size_t bytes) {
            if (bytes > size_) {
                size_ = 0;
                data_.reset();
                data_.reset(static_cast<char*>(::operator new(bytes, std::align_val_t{LINE})));
                size_ = bytes;
            }
            return data_.get();
        }

    private:
        struct Free {
            void operator()(char* data) const { ::operator delete(data, std::align_val_t{LINE}); }
        };
        std::unique_ptr<char, Free> data_;
        size_t size_ = 0;
    };

    char *next_, *end_;
};

}  // namespace ranvier::recurrent
