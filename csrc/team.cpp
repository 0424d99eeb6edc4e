#include "team.hpp"

#include <atomic>
#include <cstdlib>

#if defined(__linux__)
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace ranvier {
namespace {

std::atomic<bool> forgotten{false};

// libgomp's entry point, which other OpenMP libraries on Linux have too.
using Parallel = void (*)(TeamWork work, void* data, unsigned num_threads, unsigned flags);

#if defined(__linux__)
Parallel find() {
    void* torch = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
    if (torch == nullptr) return nullptr;
    // Looked for in torch and what it was linked to, so a second OpenMP in the process is not mistaken for torch's.
    return reinterpret_cast<Parallel>(dlsym(torch, "GOMP_parallel"));
}

// As the code is loaded, for a fork may come before the first call. Where it cannot be told of one there is no team.
const bool watches_forks = pthread_atfork(nullptr, nullptr, forget_team) == 0;
#else
constexpr bool watches_forks = false;
Parallel find() { return nullptr; }
#endif

Parallel torchs() {
    static const Parallel found = find();
    return forgotten || !watches_forks ? nullptr : found;
}

bool is_passive() {
    const char* policy = std::getenv("OMP_WAIT_POLICY");
    return policy != nullptr && (policy[0] == 'p' || policy[0] == 'P');
}

}  // namespace

void forget_team() { forgotten.store(true); }

bool run_on_team(TeamWork work, void* data, int num_threads) {
    const Parallel parallel = torchs();
    if (parallel == nullptr) return false;
    parallel(work, data, static_cast<unsigned>(num_threads), 0);
    return true;
}

int64_t worth_of_waking() {
    static const bool passive = is_passive();  // the library, too, read it once
    return passive || torchs() == nullptr ? 5 : 1;
}

}  // namespace ranvier
