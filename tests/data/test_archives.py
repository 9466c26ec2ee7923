"""Archives: members are read, never extracted; what leads out of a folder or grows without end is refused."""

import gzip
import io
import stat
import tarfile
import zipfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.data import open_archive
from pellucid.errors import FileFormatError, InvalidArgumentError, PellucidError

FILES = {"a.txt": b"alpha", "folder/b.txt": b"beta" * 100}


def zipped(files=FILES, **kwargs):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content, **kwargs)
    return stream.getvalue()


def tarred(files=FILES, mode="w:gz", kind=tarfile.REGTYPE, link=""):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.DIRTYPE if name.endswith("/") else kind, link
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def written(tmp_path, content):
    path = tmp_path / "archive"
    path.write_bytes(content)
    return path


def read_all(path, **kwargs):
    with open_archive(path, **kwargs) as archive:
        return {name: archive.read(name) for name in archive.names}


ALL = {
    "zip": zipped(),
    "tar": tarred(mode="w"),
    "tar.gz": tarred(),
    "tar.bz2": tarred(mode="w:bz2"),
    "tar.xz": tarred(mode="w:xz"),
}


@pytest.mark.parametrize("kind", ALL)
def test_members_are_read_and_nothing_is_written(tmp_path, kind, monkeypatch):
    path = written(tmp_path, ALL[kind])
    monkeypatch.chdir(tmp_path)
    assert read_all(path) == FILES
    assert [entry.name for entry in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("kind", ALL)
def test_members_can_be_read_in_any_order_and_twice(tmp_path, kind):
    with open_archive(written(tmp_path, ALL[kind])) as archive:
        assert archive.read("folder/b.txt") == FILES["folder/b.txt"]
        assert archive.read("a.txt") == archive.read("a.txt") == b"alpha"


def test_a_name_that_the_archive_does_not_hold_is_refused(tmp_path):
    with (
        open_archive(written(tmp_path, zipped())) as archive,
        pytest.raises(InvalidArgumentError, match=r"holds no 'c.txt'; it holds a.txt, folder/b.txt"),
    ):
        archive.read("c.txt")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_folders_are_passed_over(tmp_path, pack):
    assert list(read_all(written(tmp_path, pack({"folder/": b"", "./folder/c": b"1"})))) == ["folder/c"]


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:x", "a\\..\\x", "..", "a/.."])
def test_names_that_lead_out_of_a_folder_are_refused(tmp_path, pack, name):
    with pytest.raises(FileFormatError, match=r"the name .* leads out of a folder or is not portable"):
        read_all(written(tmp_path, pack({"good": b"1", name: b"2"})))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("again", ["a", "./a"])
def test_duplicates_are_refused(tmp_path, pack, again):
    with pytest.raises(FileFormatError, match="holds 'a' twice"):
        read_all(written(tmp_path, pack([("a", b"1"), (again, b"2")])))


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_links_devices_and_sparse_files_in_a_tar_are_refused(tmp_path, kind):
    with pytest.raises(FileFormatError, match="'x' is a link, a device or a sparse file"):
        read_all(written(tmp_path, tarred({"x": b""}, kind=kind, link="/etc/passwd")))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    entry = zipfile.ZipInfo("x")
    entry.external_attr = (kind | 0o777) << 16
    with pytest.raises(FileFormatError, match="'x' is a link or a device"):
        read_all(written(tmp_path, zipped([(entry, b"/etc/passwd")])))


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(zipped({"x": b"1"}))
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(FileFormatError, match="'x' is encrypted"):
        read_all(written(tmp_path, bytes(content)))


def test_an_uncommon_method_is_refused(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x", b"1")
    with pytest.raises(FileFormatError, match="'x' is packed by an uncommon method"):
        read_all(written(tmp_path, stream.getvalue()))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb_is_refused_at_the_stated_ceiling(tmp_path, pack):
    path = written(tmp_path, pack({"x": bytes(3_000_000), "y": bytes(3_000_000)}))
    assert path.stat().st_size < 50_000
    with pytest.raises(FileFormatError, match="would decompress to more than 5000000 bytes, the ceiling"):
        read_all(path, max_bytes=5_000_000)
    assert len(read_all(path, max_bytes=6_000_000)) == 2


def test_a_zip_whose_listing_understates_a_member_is_refused(tmp_path):
    content = bytearray(zipped({"x": bytes(10_000_000)}))
    at = content.index(b"PK\1\2")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(FileFormatError, match=r"cannot be read as a zip or tar archive .*CRC"):
        read_all(written(tmp_path, bytes(content)), max_bytes=2000)


def test_a_tar_header_that_claims_petabytes_does_not_make_gzip_unpack_them(tmp_path):
    entry = tarfile.TarInfo("x")
    entry.size = 1 << 50
    content = gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(20_000_000))
    with pytest.raises(FileFormatError, match="would decompress to more than 1000 bytes"):
        read_all(written(tmp_path, content), max_bytes=1000)


@pytest.mark.parametrize("content", [b"", b"neither", gzip.compress(b"not a tar", mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    with pytest.raises(FileFormatError, match="archive: cannot be read as a zip or tar archive"):
        read_all(written(tmp_path, content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileFormatError, match="cannot be read as a zip or tar archive"):
            read_all(path)


@settings(
    deadline=None,
    derandomize=True,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(kind=st.sampled_from(sorted(ALL)), at=st.integers(0, 20_000), value=st.integers(0, 255), cut=st.booleans())
def test_a_changed_byte_or_a_cut_gives_bytes_or_an_error_of_ours(tmp_path, kind, at, value, cut):
    content = bytearray(ALL[kind])
    at %= len(content)
    content[at] = value
    with suppress(PellucidError):
        read_all(written(tmp_path, bytes(content[:at] if cut else content)))
