// AEDAT 3.1: the plain stretches of packets of pixel events; the twin and the layout: ranvier/data/formats/aedat3.py.
// State: type of the packet, bytes of it that are left, records of it that are left and count, overflow, lost.
// Parameter: bytes from the first one given to the end of the file. Stops before whatever the twin must look at: packets
// of other types, headers that make no sense, what is cut off.

constexpr int64_t AEDAT3_HEADER = 28;

inline bool aedat3_header(const uint8_t* from, int64_t room, int64_t* state) {
    const uint32_t kind = little<uint16_t>(from), size = little<uint32_t>(from + 4), offset = little<uint32_t>(from + 8);
    const uint32_t overflow = little<uint32_t>(from + 12), capacity = little<uint32_t>(from + 16);
    const uint32_t number = little<uint32_t>(from + 20), valid = little<uint32_t>(from + 24);
    if (kind != 1 || size != 8 || offset != 4 || valid > number || number > capacity) return false;
    if (AEDAT3_HEADER + int64_t{capacity} * 8 > room) return false;
    state[0] = 1, state[1] = int64_t{capacity} * 8, state[2] = number, state[3] = overflow;
    return true;
}

inline Found aedat3(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t* s = found.state;
    std::memcpy(s, state, sizeof(found.state));
    while (found.used < bytes.size && s[4] == 0) {
        const int64_t there = bytes.size - found.used, room = parameters[0] - found.used;
        const uint8_t* from = bytes.data + found.used;
        if (s[1] == 0) {
            if (there < AEDAT3_HEADER || !aedat3_header(from, room, s)) break;
            found.used += AEDAT3_HEADER;
            continue;
        }
        if (s[2] == 0) {
            found.used += smaller(s[1], room);  // may lie beyond the bytes given
            s[0] = s[1] = s[3] = 0;
            continue;
        }
        const int64_t count = smaller(s[2], smaller(there / 8, out.capacity - found.num));
        if (count == 0) break;
        const int64_t base = smaller(s[3], (int64_t{1} << 31) - 1) << 31;
        int64_t n = found.num;
        const Pen pen(out);
        for (int64_t k = 0; k < count; ++k) {
            const uint32_t word = little<uint32_t>(from + 8 * k);
            pen.t[n] = base + little<uint32_t>(from + 8 * k + 4);
            pen.x[n] = static_cast<int16_t>(word >> 17);
            pen.y[n] = static_cast<int16_t>((word >> 2) & 0x7FFF);
            pen.polarity[n] = static_cast<uint8_t>((word >> 1) & 1);
            if (out.at != nullptr) out.at[n] = static_cast<uint32_t>(found.used + 8 * k);
            n += word & 1;
        }
        found.others += count - (n - found.num);
        found.num = n;
        found.used += 8 * count;
        s[1] -= 8 * count, s[2] -= count;
        watch.now();
    }
    watch.rest();
    return found;
}
