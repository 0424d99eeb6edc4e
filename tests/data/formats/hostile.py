"""Makes hostile files: each would run code, escape, or fill the memory of a reader that believes it."""

import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np

HUGE = 1 << 40


class Touch:
    """Unpickling this makes the marker file."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def header(descr, shape, *, version=1, text=None):
    body = (text or f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}").encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(body)) + body


def zipped(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def patched(data, offset, code, value, *, what=b"PK\1\2"):
    data = bytearray(data)
    struct.pack_into(code, data, data.rfind(what) + offset, value)
    return bytes(data)


def npz_files(marker):
    """Hostile ``.npz`` files by name."""
    objects = np.array([Touch(marker)], object)
    good = zipped({"a.npy": npy(np.arange(1000))}, zipfile.ZIP_LZMA)
    plain = zipped({"a.npy": npy(np.arange(1000))})
    bomb = {f"{i}.npy": npy(np.zeros(7_000_000, np.uint8)) for i in range(3)}
    files = {
        "objects": zipped({"a.npy": npy(objects, allow_pickle=True)}),
        "objects-lzma": zipped({"a.npy": npy(objects, allow_pickle=True)}, zipfile.ZIP_LZMA),
        "objects-2d": zipped({"a.npy": npy(np.array([[Touch(marker)], [1]], object), allow_pickle=True)}),
        "object-in-struct": zipped({"a.npy": npy(np.zeros(1, [("a", "O"), ("b", "i4")]), allow_pickle=True)}),
        "object-called-number": zipped({"a.npy": header("|O", (1,)) + pickle.dumps(Touch(marker))}),
        "bare-pickle": pickle.dumps(Touch(marker)),
        "pickle-as-npy": zipped({"a.npy": pickle.dumps(Touch(marker))}),
        "pickle-as-member": zipped({"a.pkl": pickle.dumps(Touch(marker))}),
        "code-in-header": zipped(
            {"a.npy": header("", (), text=f"__import__('pathlib').Path({str(marker)!r}).touch()")}
        ),
        "code-in-shape": zipped({"a.npy": header("<i8", f"(__import__('pathlib').Path({str(marker)!r}).touch(),)")}),
        "code-in-descr": zipped({"a.npy": header("<i8", "(1,)").replace(b"'<i8'", b"open  ")}),
        "escape-up": zipped({"../a.npy": npy(np.arange(3))}),
        "escape-root": zipped({"/tmp/a.npy": npy(np.arange(3))}),
        "escape-windows": zipped({"..\\a.npy": npy(np.arange(3))}),
        "escape-drive": zipped({"C:a.npy": npy(np.arange(3))}),
        "folder": zipped({"b/a.npy": npy(np.arange(3))}),
        "nul": plain.replace(b"a.npy", b"a\0npy"),
        "huge-shape": zipped({"a.npy": header("<i8", (HUGE,))}),
        "huge-shape-2": zipped({"a.npy": header("<i8", (1 << 62, 1 << 62)) + bytes(64)}),
        "huge-item": zipped({"a.npy": header(f"|S{1 << 30}", (1 << 10,)) + bytes(64)}),
        "huge-item-2": zipped({"a.npy": header(f"<U{1 << 50}", (1,)) + bytes(64)}),
        "huge-but-empty": zipped({"a.npy": header("<i8", (0, HUGE, 1 << 60))}),
        "zero-size-items": zipped({"a.npy": header("|S0", (1 << 62,))}),
        "negative-shape": zipped({"a.npy": header("<i8", (-1,)) + bytes(64)}),
        "negative-shapes": zipped({"a.npy": header("<i8", (-8, -1)) + bytes(64)}),
        "boolean-shape": zipped({"a.npy": header("<i8", (True, False)) + bytes(8)}),
        "float-shape": zipped({"a.npy": header("<i8", (8.0,)) + bytes(64)}),
        "no-such-type": zipped({"a.npy": header("<i3", (8,)) + bytes(24)}),
        "other-keys": zipped({"a.npy": header("", (), text="{'descr': '<i8'}")}),
        "void-type": zipped({"a.npy": header("|V8", (8,)) + bytes(64)}),
        "nested-type": zipped({"a.npy": header([("a", "<i4", HUGE)], (1,)) + bytes(64)}),
        "long-header": zipped({"a.npy": header("", (), text="[" * 60_000)}),
        "deep-header": zipped({"a.npy": header("", (), text="(" * 9000)}),
        "declared-header": zipped({"a.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff{}"}),
        "version-9": zipped({"a.npy": b"\x93NUMPY\x09\0" + bytes(80)}),
        "no-npy": zipped({"a.npy": b"hello"}),
        "bomb-deflate": zipped(bomb, zipfile.ZIP_DEFLATED),
        "bomb-lzma": zipped(bomb, zipfile.ZIP_LZMA),
        "quine-size": patched(zipped(bomb, zipfile.ZIP_LZMA), 24, "<I", 100),
        "declared-4-gib": patched(good, 24, "<I", 0xFFFFFFF0),
        "declared-zip64": patched(good, 24, "<I", 0xFFFFFFFF),
        "packed-4-gib": patched(plain, 20, "<I", 0xFFFFFFF0),
        "offset-beyond": patched(plain, 42, "<I", 0x7FFFFFFF),
        "directory-4-gib": patched(plain, 12, "<I", 0xFFFFFFF0, what=b"PK\5\6"),
        "encrypted": patched(plain, 8, "<H", 1),
        "method-99": patched(plain, 10, "<H", 99),
        "wrong-crc": patched(plain, 16, "<I", 1),
        "wrong-lzma": good.replace(good[40:60], bytes(20)),
        "empty": b"",
        "zip64": plain[: plain.rfind(b"PK\5\6")] + b"PK\6\7" + bytes(16) + plain[plain.rfind(b"PK\5\6") :],
    }
    files |= {f"cut-at-{k}-of-8": good[: len(good) * k // 8] for k in range(1, 8)}
    return files


def idx_files():
    """Hostile IDX files by name."""
    good = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4) + bytes(24)
    huge = struct.pack(">BBBBIII", 0, 0, 8, 3, *[0xFFFFFFFF] * 3)
    files = {
        "huge": huge,
        "huge-gz": gzip.compress(huge),
        "negative": struct.pack(">BBBBi", 0, 0, 8, 1, -1) + bytes(24),
        "huge-labels": struct.pack(">BBBBI", 0, 0, 8, 1, 0xFFFFFFFF) + bytes(24),
        "axes-255": bytes([0, 0, 8, 255]) + bytes(2000),
        "axes-0": bytes([0, 0, 8, 0]),
        "float": bytes([0, 0, 13, 1, 0, 0, 0, 1]) + bytes(4),
        "bomb-gz": gzip.compress(good + bytes(50_000_000)),
        "two-streams": gzip.compress(good) + gzip.compress(good),
        "no-gzip": b"\x1f\x8b" + bytes(100),
        "empty": b"",
        "pickle": pickle.dumps([1]),
    }
    files |= {f"cut-at-{k}": good[:k] for k in (1, 3, 4, 9, 16, 39)}
    files |= {f"cut-gz-at-{k}": gzip.compress(good)[:k] for k in (2, 5, 12, 20, -9, -1)}
    return files


def tarred(name="a", kind=tarfile.REGTYPE, data=b"", link="", size=None):
    """An archive of one member, whose header may tell another size than it has."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(data)
        archive.addfile(info, io.BytesIO(data))
    raw = bytearray(file.getvalue())
    if size is not None:
        raw[124:136] = size
        raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + sum(raw[156:512]) + 256)
    return bytes(raw)


def tar_files():
    """Hostile tar archives by name."""
    good = tarred("test_batch.bin", data=bytes(3073))
    files = {
        "up": tarred("../../evil"),
        "root": tarred("/tmp/evil"),
        "windows": tarred("..\\evil"),
        "symlink": tarred("test_batch.bin", tarfile.SYMTYPE, link="/etc/passwd"),
        "hardlink": tarred("test_batch.bin", tarfile.LNKTYPE, link="/etc/passwd"),
        "device": tarred("test_batch.bin", tarfile.CHRTYPE),
        "block-device": tarred("test_batch.bin", tarfile.BLKTYPE),
        "pipe": tarred("test_batch.bin", tarfile.FIFOTYPE),
        "sparse": tarred("test_batch.bin", tarfile.GNUTYPE_SPARSE),
        "long-name": tarred("test_batch.bin", tarfile.GNUTYPE_LONGNAME, data=bytes(100)),
        "size-2-40": tarred(size=b"-" * 12),
        "size-8-gib": tarred(size=b"77777777777\0"),
        "size-base-256": tarred(size=b"\x80" + bytes(5) + b"\1" + bytes(5)),
        "size-negative": tarred(size=b"\xff" * 12),
        "extended-8-gib": tarred(kind=b"x", size=b"77777777777\0"),
        "bomb-gz": gzip.compress(tarred("a", data=bytes(40_000_000), size=b"70000000000\0")),
        "no-tar": b"hello" * 300,
        "lzma": lzma.compress(good),
        "empty": b"",
    }
    files |= {f"cut-at-{k}": good[:k] for k in (1, 511, 600, 3500)}
    files |= {f"cut-gz-at-{k}": gzip.compress(good)[:k] for k in (2, 12, 40, -9)}
    return files
