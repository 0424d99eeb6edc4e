// N-MNIST / ATIS .bin; the twin and the layout: ranvier/data/formats/nmnist_bin.py. State: markers so far.

template <class N>
inline void nmnist_words(const uint64_t* __restrict word, N num, int64_t added, Pen pen) {
    for (int64_t i = 0; i < num; ++i) pen.t[i] = static_cast<int64_t>((word[i] >> 24) & 0x7FFFFF) + added;
    for (int64_t i = 0; i < num; ++i) pen.x[i] = static_cast<int16_t>(word[i] >> 56);
    for (int64_t i = 0; i < num; ++i) pen.y[i] = static_cast<int16_t>((word[i] >> 48) & 0xFF);
    for (int64_t i = 0; i < num; ++i) pen.polarity[i] = static_cast<uint8_t>((word[i] >> 47) & 1);
}

inline Found nmnist_bin(Bytes bytes, const int64_t*, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t markers = state[0];
    const int64_t records = smaller(bytes.size / 5, out.capacity);
    const int64_t fast = larger(0, (bytes.size - 3) / 5);  // records of which eight bytes can be read
    alignas(64) uint64_t words[BLOCK];
    for (int64_t i = 0; i < records;) {
        const int64_t stop = smaller(BLOCK, records - i);
        int64_t num = 0;
        for (; num < stop; ++num) {
            const uint8_t* from = bytes.data + 5 * (i + num);
            uint8_t last[8] = {};
            if (i + num >= fast) std::memcpy(last, from, 5);
            words[num] = big64(i + num < fast ? from : last);
            if (((words[num] >> 48) & 0xFF) == 240) break;
        }
        if (num > 0) {
            in_blocks(num, [&](auto n) { nmnist_words(words, n, markers * 8192, Pen(out, found.num)); });
            place(out, found.num, num, 5 * i, 5);
        }
        found.num += num;
        i += num;
        if (num < stop) ++markers, ++i;
        watch.now();
    }
    watch.rest();
    found.used = 5 * records;
    found.state[0] = markers;
    return found;
}
