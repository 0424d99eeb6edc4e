#include "buffers.hpp"

#include <list>
#include <mutex>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sys/mman.h>
#define RANVIER_MMAP
#endif

namespace ranvier {
namespace {

constexpr size_t HUGE_PAGE = size_t{2} << 20;

size_t rounded(size_t bytes) {
    const size_t grain = bytes >= HUGE_PAGE ? HUGE_PAGE : size_t{4096};
    return (bytes + grain - 1) / grain * grain;
}

#if defined(RANVIER_MMAP)
char* map(size_t size) {
    // Room to cut a piece that begins at a huge page, so that the system can take huge pages for all of it.
    const size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 4096;
    void* all = mmap(nullptr, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    const auto begin = reinterpret_cast<uintptr_t>(all);
    const uintptr_t place = (begin + align - 1) / align * align;
    if (place > begin) munmap(all, place - begin);
    if (const size_t behind = begin + align - place; behind > 0) munmap(reinterpret_cast<void*>(place + size), behind);
#if defined(MADV_HUGEPAGE)
    madvise(reinterpret_cast<void*>(place), size, MADV_HUGEPAGE);  // a wish: small pages do as well
#endif
    return reinterpret_cast<char*>(place);
}
void unmap(char* buffer, size_t size) noexcept { munmap(buffer, size); }
#else
constexpr std::align_val_t LINE_OF_CACHE{64};
char* map(size_t size) { return static_cast<char*>(::operator new(size, LINE_OF_CACHE)); }
void unmap(char* buffer, size_t) noexcept { ::operator delete(buffer, LINE_OF_CACHE); }
#endif

struct Idle {
    char* buffer;
    size_t size;
};

class Buffers {
public:
    char* take(size_t size) {
        {
            const std::lock_guard<std::mutex> lock(mutex);
            for (auto i = idle_.rbegin(); i != idle_.rend(); ++i) {  // the one used last is still in the caches
                if (i->size != size) continue;
                char* found = i->buffer;
                bytes_ -= size;
                idle_.erase(std::next(i).base());
                return found;
            }
        }
        return map(size);
    }

    void give_back(char* buffer, size_t size) noexcept {
        std::list<Idle> gone;
        try {
            std::list<Idle> one{{buffer, size}};
            const std::lock_guard<std::mutex> lock(mutex);
            idle_.splice(idle_.end(), one);
            bytes_ += size;
            shrink(gone);
        } catch (const std::bad_alloc&) {
            unmap(buffer, size);
        }
        for (const Idle& i : gone) unmap(i.buffer, i.size);
    }

    void limit(size_t bytes) {
        std::list<Idle> gone;
        {
            const std::lock_guard<std::mutex> lock(mutex);
            limit_ = bytes;
            shrink(gone);
        }
        for (const Idle& i : gone) unmap(i.buffer, i.size);
    }

    size_t bytes() {
        const std::lock_guard<std::mutex> lock(mutex);
        return bytes_;
    }

    std::mutex mutex;

private:
    void shrink(std::list<Idle>& gone) {
        while (bytes_ > limit_) {
            bytes_ -= idle_.front().size;
            gone.splice(gone.end(), idle_, idle_.begin());
        }
    }

    std::list<Idle> idle_;  // the one that waited longest first
    size_t bytes_ = 0, limit_ = 0;
};

// Never deleted: results may outlive every destructor when the process ends.
Buffers& buffers() {
    static Buffers& all = []() -> Buffers& {
#if defined(RANVIER_MMAP)
        // A forked child must not find the lock held by a thread it does not have.
        pthread_atfork([] { buffers().mutex.lock(); }, [] { buffers().mutex.unlock(); }, [] { buffers().mutex.unlock(); });
#endif
        return *new Buffers;
    }();
    return all;
}

}  // namespace

char* take_buffer(size_t bytes) { return buffers().take(rounded(bytes)); }
void give_buffer_back(char* buffer, size_t bytes) noexcept { buffers().give_back(buffer, rounded(bytes)); }
void limit_buffers(size_t bytes) { buffers().limit(bytes); }
size_t idle_buffer_bytes() { return buffers().bytes(); }

}  // namespace ranvier
