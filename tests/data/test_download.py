import hashlib
import urllib.error
import urllib.request
from email.message import Message
from http.client import IncompleteRead

import pytest

from ranvier.core.errors import ConfigError, DataError
from ranvier.data import RemoteFile, download, fetch

DATA = bytes(range(256)) * 9000  # more than two chunks
SHA = hashlib.sha256(DATA).hexdigest()


class Server:
    """Stands in for https: answers requests for DATA, and breaks when told to."""

    def __init__(self, data=DATA, *, break_after=(), ranges=True, length=True, error=None):
        self.data, self.breaks, self.ranges, self.length, self.error = data, list(break_after), ranges, length, error
        self.asked = []

    def __call__(self, request):
        asked = request.get_header("Range")
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        start = int(asked[6:-1]) if asked and self.ranges else 0
        if start > len(self.data):
            raise urllib.error.HTTPError(request.full_url, 416, "Range Not Satisfiable", Message(), None)
        headers = {"Content-Range": f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"} if start else {}
        if self.length:
            headers["Content-Length"] = str(len(self.data) - start)
        return Answer(self.data[start:], 206 if start else 200, headers, self.breaks.pop(0) if self.breaks else None)


class Answer:
    def __init__(self, data, status, headers, break_after):
        self.data, self.status, self.headers, self.break_after = data, status, headers, break_after
        self.at = 0

    def read(self, amount):
        if self.break_after is not None and self.at >= self.break_after:
            raise IncompleteRead(b"")
        amount = min(amount, 100_000)
        piece = self.data[self.at : self.at + amount]
        self.at += len(piece)
        return piece

    def close(self):
        pass


def remote(**changes):
    return RemoteFile(**{"url": "https://example.org/a.bin", "name": "a.bin", "sha256": SHA, **changes})


def test_a_file_arrives_whole_and_under_its_name(tmp_path):
    seen = []
    path = fetch(remote(), tmp_path / "deep" / "folder", opener=Server(), progress=lambda *p: seen.append(p))
    assert path.read_bytes() == DATA
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
    assert seen[-1] == (len(DATA), len(DATA))


def test_a_file_that_is_there_is_not_fetched(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"mine")
    server = Server()
    assert fetch(remote(), tmp_path, opener=server).read_bytes() == b"mine"
    assert server.asked == []


def test_an_interrupted_download_goes_on_where_it_broke(tmp_path):
    server = Server(break_after=[700_000, 300_000])
    assert fetch(remote(), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == [None, "bytes=700000-", "bytes=1000000-"]


def test_a_later_call_goes_on_where_the_last_one_broke(tmp_path):
    with pytest.raises(
        DataError, match=r"expected the whole file, got 600000 bytes, then a break \(.*\). Call it again"
    ):
        fetch(remote(), tmp_path, opener=Server(break_after=[200_000] * 3), tries=3)
    assert not (tmp_path / "a.bin").exists()
    server = Server()
    assert fetch(remote(), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == ["bytes=600000-"]


def test_a_connection_that_ends_early_in_silence_is_noticed(tmp_path):
    class Short(Server):
        def __call__(self, request):
            answer = super().__call__(request)
            if len(self.asked) == 1:
                answer.data = answer.data[:500_000]
            return answer

    server = Short()
    assert fetch(remote(), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == [None, "bytes=500000-"]


def test_a_server_that_ignores_ranges_starts_again(tmp_path):
    server = Server(break_after=[700_000], ranges=False)
    assert fetch(remote(), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == [None, "bytes=700000-"]


def test_a_server_that_sends_another_part_starts_again(tmp_path):
    class Odd(Server):
        def __call__(self, request):
            answer = super().__call__(request)
            if answer.status == 206:
                answer.headers["Content-Range"] = "bytes 0-1/2"
            return answer

    server = Odd(break_after=[700_000])
    assert fetch(remote(), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == [None, "bytes=700000-", None]


def test_an_unknown_status_is_refused(tmp_path):
    class Odd(Server):
        def __call__(self, request):
            answer = super().__call__(request)
            answer.status = 204
            return answer

    with pytest.raises(DataError, match=r"expected status 200 or 206, got 204"):
        fetch(remote(), tmp_path, opener=Odd())


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(DATA + b"more")
    assert fetch(remote(), tmp_path, opener=Server()).read_bytes() == DATA


def test_a_wrong_checksum_is_refused_and_the_file_removed(tmp_path):
    for wrong in ({"sha256": "0" * 64}, {"sha256": None, "md5": "0" * 32}):
        kind = "md5" if "md5" in wrong else "sha256"
        with pytest.raises(DataError, match=rf"expected {kind} 0+, got [0-9a-f]+. The file was removed"):
            fetch(remote(**wrong), tmp_path, opener=Server())
        assert list(tmp_path.iterdir()) == []


def test_an_md5_is_checked_where_there_is_no_better_sum(tmp_path):
    md5 = hashlib.md5(DATA).hexdigest()
    assert fetch(remote(sha256=None, md5=md5), tmp_path, opener=Server()).read_bytes() == DATA


def test_without_a_checksum_halves_are_not_joined(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"another version")
    server = Server()
    assert fetch(remote(sha256=None), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == [None]


def test_a_size_other_than_promised_is_refused_before_it_is_fetched(tmp_path):
    with pytest.raises(DataError, match=rf"expected 10 bytes, got {len(DATA)} offered by the server"):
        fetch(remote(bytes=10), tmp_path, opener=Server())


def test_more_bytes_than_promised_are_not_kept(tmp_path):
    with pytest.raises(DataError, match=r"expected at most 1000 bytes, got more. The part was removed"):
        fetch(remote(bytes=1000), tmp_path, opener=Server(length=False))
    assert list(tmp_path.iterdir()) == []


def test_a_complete_part_is_only_checked(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(DATA)
    server = Server()
    assert fetch(remote(bytes=len(DATA)), tmp_path, opener=server).read_bytes() == DATA
    assert server.asked == []


def test_an_answer_that_is_no_file_is_named(tmp_path):
    error = urllib.error.HTTPError("https://example.org", 404, "Not Found", Message(), None)
    with pytest.raises(DataError, match=r"expected a download, got HTTP 404 Not Found. Fetch a.bin by hand"):
        fetch(remote(), tmp_path, opener=Server(error=error))


def test_no_network_is_a_break_that_can_be_gone_on_from(tmp_path):
    with pytest.raises(DataError, match=r"got 0 bytes, then no answer \(<urlopen error no route>\)"):
        fetch(remote(), tmp_path, opener=Server(error=urllib.error.URLError("no route")))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"expected a download into .*file"):
        fetch(remote(), tmp_path / "file" / "folder", opener=Server())


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://example.org/a", "file:///etc/passwd", "example.org"])
def test_anything_but_https_is_refused(tmp_path, url):
    with pytest.raises(ConfigError, match="download: expected an https address"):
        fetch(remote(url=url), tmp_path)


def test_a_redirect_away_from_https_is_refused():
    handler = download._HttpsOnly()
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(ConfigError, match=r"expected an https address, got 'http://example\.org/b'"):
        handler.redirect_request(request, None, 302, "Found", Message(), "http://example.org/b")
    assert handler.redirect_request(request, None, 302, "Found", Message(), "https://example.org/b") is not None


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".."])
def test_a_name_with_folders_is_refused(name):
    with pytest.raises(ConfigError, match=r"RemoteFile.name: expected a plain file name"):
        remote(name=name)
