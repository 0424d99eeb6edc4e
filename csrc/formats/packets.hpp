// The sound packets of AEDAT 4, one after the other; the twin and the layout: ranvier/data/formats/aedat4.py.
#pragma once

#include "walk.hpp"

namespace ranvier::formats {

constexpr int MOST_STREAMS = 63;

// Parameters: bytes from the first one given to where packets end; events after which no packet is begun; a bit for
// each stream of frames. No state. Gives in kinds[0 to 2] the frames, samples and triggers; in state[0] the events of the
// next packet, if there is no room for these. Stops before whatever the twin must look at: packets that are broken, cut,
// of Zstandard, very large, or of a stream of a number that has no bit.
Found packets(const Decoders& all, const Source& source, const int64_t* parameters, const Columns& out, const Company& company);

}  // namespace ranvier::formats
