// LZ4 frames. Sources: the LZ4 frame format description 1.6 and block format description; xxHash specification 0.1.
#pragma once

#include "decode.hpp"

namespace ranvier::formats {

// Unpacks a frame, behind which SLACK bytes may be read, into `room` bytes, behind which SLACK may be written. Gives the
// number of bytes, or -1 for a frame that is broken, does not fit or is in any way unusual: the library judges those, so
// whatever is unpacked here is what it unpacks.
int64_t unpack_lz4(Bytes frame, uint8_t* out, int64_t room);

}  // namespace ranvier::formats
