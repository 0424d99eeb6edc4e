// AEDAT 4: the events of one unpacked packet; the twin and the layout: ranvier/data/formats/aedat4.py.
// Gives nothing, and takes no byte, if the packet is no sound one of pixel events or there is no room for all of it.

inline Found aedat4(Bytes bytes, const int64_t*, const int64_t*, const Columns& out) {
    Found found;
    const Vector events = event_vector(bytes);
    if (events.place < 0 || events.length > out.capacity) return found;
    const uint8_t* from = bytes.data + events.place;
    for (int64_t begin = 0; begin < events.length; begin += STRETCH) {
        const int64_t end = smaller(begin + STRETCH, events.length);
        for (int64_t i = begin; i < end; ++i) out.t[i] = little<int64_t>(from + 16 * i);
        for (int64_t i = begin; i < end; ++i) out.x[i] = little<int16_t>(from + 16 * i + 8);
        for (int64_t i = begin; i < end; ++i) out.y[i] = little<int16_t>(from + 16 * i + 10);
        for (int64_t i = begin; i < end; ++i) out.polarity[i] = from[16 * i + 12];
        widen(found.bounds, out, begin, end);
    }
    place(out, 0, events.length, 0, 0);
    found.num = events.length;
    found.used = bytes.size;
    return found;
}
