"""An archive is unpacked completely or refused in one sentence, wherever it is cut."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wgan.data.archives import extract_archive
from wgan.errors import DataError

ROOM = 10 * 2**20
MEMBERS = {f"{folder}/{number}.png": random.Random(number).randbytes(700) for folder in "ab" for number in range(6)}


def tar_of(members: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        path, folder = Path(scratch, "archive"), Path(scratch, "unpacked")
        folder.mkdir()
        path.write_bytes(content)
        extract_archive(path, folder, ROOM, lambda *_: None)
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(content: bytes) -> str:
    with pytest.raises(DataError) as raised:
        unpacked(content)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def unpacked_or_refused(content: bytes) -> dict[str, bytes] | None:
    """None if it was refused, which must take one line."""
    try:
        return unpacked(content)
    except DataError as error:
        if "\n" in str(error):
            raise AssertionError(f"not one line: {error}") from None
        return None


TAR = tar_of(MEMBERS)
HALVES = [dict(list(MEMBERS.items())[:7]), dict(list(MEMBERS.items())[7:])]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "zstd": lambda content: pyarrow.compress(content, codec="zstd", asbytes=True),
}
WHOLE = {
    "pax": TAR,
    "ustar": tar_of(MEMBERS, tarfile.USTAR_FORMAT),
    "gnu with a long name": tar_of({**MEMBERS, "c/" * 90 + "7.png": b"7"}, tarfile.GNU_FORMAT),
    "pax with a long name": tar_of({**MEMBERS, "ü/" * 90 + "7.png": b"7"}),
    **{name: pack(TAR) for name, pack in PACKERS.items()},
    "two gzip members": gzip.compress(TAR[:5000]) + gzip.compress(TAR[5000:]),
    "zip": zip_of(MEMBERS),
    "stored zip": zip_of(MEMBERS, zipfile.ZIP_STORED),
}


@given(kind=st.sampled_from(sorted(WHOLE)), share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=150, deadline=None)
def test_an_archive_cut_anywhere_is_refused_or_complete(kind: str, share: float) -> None:
    content = WHOLE[kind]
    found = unpacked_or_refused(content[: int(share * len(content))])
    assert found is None or found.items() >= MEMBERS.items()


@given(
    kind=st.sampled_from(["gzip", "bzip2", "xz", "two gzip members", "zip", "stored zip"]),
    share=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
)
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_never_alters_an_image(kind: str, share: float, flip: int) -> None:
    content = bytearray(WHOLE[kind])
    content[int(share * len(content))] ^= flip
    found = unpacked_or_refused(bytes(content))
    assert found is None or sorted(found.values()) == sorted(MEMBERS.values())


@given(kind=st.sampled_from(sorted(WHOLE)), noise=st.binary(max_size=2000))
@settings(max_examples=100, deadline=None)
def test_noise_after_an_archives_signature_is_one_sentence(kind: str, noise: bytes) -> None:
    unpacked_or_refused(WHOLE[kind][:600] + noise)


@pytest.mark.parametrize("name", sorted(PACKERS))
def test_all_streams_of_a_compressed_file_are_read(name: str) -> None:
    pack = PACKERS[name]
    assert unpacked(pack(TAR[:3000]) + pack(TAR[3000:9000]) + pack(TAR[9000:])) == MEMBERS


@pytest.mark.parametrize("name", sorted(PACKERS))
def test_concatenated_tars_are_all_read(name: str) -> None:
    first, second = (tar_of(half) for half in HALVES)
    assert unpacked(PACKERS[name](first + second)) == MEMBERS
    assert unpacked(PACKERS[name](first) + PACKERS[name](second)) == MEMBERS


@pytest.mark.parametrize(("name", "padding"), [("gzip", 700), ("xz", 4), ("xz", 512)])
def test_zeros_between_and_after_streams_are_padding(name: str, padding: int) -> None:
    pack, zeros = PACKERS[name], bytes(padding)
    assert unpacked(pack(TAR[:4000]) + zeros + pack(TAR[4000:]) + zeros) == MEMBERS


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_other_bytes_after_a_stream_are_refused(name: str) -> None:
    assert "are followed by other bytes" in refused(PACKERS[name](TAR) + b"something else")


def test_frames_of_zstandard_that_are_skipped_may_stand_anywhere() -> None:
    skipped, pack = struct.pack("<II", 0x184D2A50, 4) + b"pzst", PACKERS["zstd"]
    assert unpacked(skipped + pack(TAR[:4000]) + skipped + pack(TAR[4000:]) + skipped) == MEMBERS


def test_other_bytes_after_a_frame_of_zstandard_are_refused() -> None:
    assert "Zstandard stream is damaged" in refused(PACKERS["zstd"](TAR) + b"something else")


def gzip_with(flags: int, fields: bytes) -> bytes:
    header = struct.pack("<2sBBIBB", b"\x1f\x8b", 8, flags, 0, 0, 255) + fields
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflate = zlib.compressobj(wbits=-15)
    return header + deflate.compress(TAR) + deflate.flush() + struct.pack("<II", zlib.crc32(TAR), len(TAR))


def test_every_optional_field_of_a_gzip_header_is_skipped() -> None:
    extra = struct.pack("<H", 8) + b"BC\x04\0abcd"
    for flags, fields in [(4, extra), (8, b"name\0"), (16, b"comment\0"), (2, b""), (30, extra + b"name\0comment\0")]:
        assert unpacked(gzip_with(flags, fields)) == MEMBERS


def test_a_wrong_checksum_or_length_of_a_gzip_is_refused() -> None:
    content = gzip_with(2, b"")
    for position in (-1, -5, 10):
        altered = bytearray(content)
        altered[position] ^= 1
        assert "damaged" in refused(bytes(altered))


def test_a_damaged_header_in_the_middle_is_refused() -> None:
    altered = bytearray(TAR)
    altered[4 * 1536 + 20] ^= 1
    assert "the header before byte" in refused(bytes(altered))
    altered[4 * 1536 : 4 * 1536 + 512] = bytes(512)
    assert "overwritten by zeros" in refused(bytes(altered))
    altered[4 * 1536 : 5 * 1536 + 100] = bytes(1636)
    assert "bytes between two of its members" in refused(bytes(altered))


def test_a_tar_without_its_end_marker_is_refused_and_one_zero_block_is_a_marker() -> None:
    bare = TAR.rstrip(b"\0")
    bare += bytes(-len(bare) % 512)
    assert "ends without the zero blocks" in refused(bare)
    assert unpacked(bare + bytes(512)) == MEMBERS


def test_leftovers_in_the_last_record_of_a_tar_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(TAR + b"left over" * 100)
    (tmp_path / "unpacked").mkdir()
    assert extract_archive(tmp_path / "a.tar", tmp_path / "unpacked", ROOM, lambda *_: None) == 900
    assert len(list((tmp_path / "unpacked").rglob("*.png"))) == len(MEMBERS)


def test_holes_of_a_sparse_member_are_zeros(tmp_path: Path) -> None:
    """GNU's own old form: a map in the header, then the parts that hold something."""
    info = tarfile.TarInfo("sparse.png")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (1024, 512)
    header[410:434] = b"%011o\0%011o\0" % (2048, 0)
    header[483:495] = b"%011o\0" % 2048
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    assert unpacked(bytes(header) + b"x" * 512 + bytes(1024)) == {"sparse.png": bytes(1024) + b"x" * 512 + bytes(512)}


def test_a_tar_that_holds_a_zip_is_a_tar() -> None:
    inner = zip_of({"inner.png": b"1"})
    assert unpacked(tar_of({**MEMBERS, "c/more.zip": inner})) == {**MEMBERS, "c/more.zip": inner}


def test_backslashes_in_a_zip_separate_folders() -> None:
    assert unpacked(zip_of({name.replace("/", "\\"): content for name, content in MEMBERS.items()})) == MEMBERS


def test_a_zip_after_another_file_is_refused() -> None:
    assert "in no directory" in refused(zip_of(HALVES[0]) + zip_of(HALVES[1]))


def test_a_member_that_the_directory_of_a_zip_does_not_name_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
        archive.filelist.pop()
    assert "missing in its directory" in refused(packed.getvalue())


def test_a_zip_whose_end_counts_more_members_than_its_directory_is_refused() -> None:
    altered = bytearray(WHOLE["zip"])
    end = altered.rindex(b"PK\x05\x06")
    altered[end + 8 : end + 12] = struct.pack("<HH", 99, 99)
    assert "its end says 99" in refused(bytes(altered))


def test_a_zip_written_as_a_stream_and_one_in_the_large_form_are_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
    assert unpacked(pipe.getvalue()) == MEMBERS
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w") as archive:
        for name, content in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    assert unpacked(large.getvalue()) == MEMBERS


def test_an_unsupported_compression_is_named() -> None:
    altered = bytearray(zip_of({"a.png": b"1" * 100}))
    directory = altered.index(b"PK\x01\x02")
    altered[8:10] = altered[directory + 10 : directory + 12] = struct.pack("<H", 9)
    assert "'a.png', which is compressed by method 9" in refused(bytes(altered))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a 7z archive"),
        (b"\x04\x22\x4d\x18" + bytes(100), "is a LZ4 archive"),
        (b"<!DOCTYPE html><title>Sign in</title>", "but a web page or XML."),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "but a Git LFS pointer"),
        (gzip.compress(b"text", mtime=0), "gzip-compressed, but its content is not a tar archive"),
        (b"MZ" + WHOLE["zip"], "neither a zip nor a tar"),
    ],
)
def test_a_file_that_is_not_an_archive_is_named_by_its_kind(content: bytes, said: str) -> None:
    assert said in refused(content)


@pytest.mark.parametrize("depth", [300, 1500, 30_000])
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_endlessly_nested_folders_are_refused_and_leave_nothing_behind(
    pack: Callable[[dict[str, bytes]], bytes], depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    unpacked_or_refused(pack({"a/" * depth + "x.png": b"picture"}))
    assert list(tmp_path.iterdir()) == []


CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "archives"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("00-plain.tar", 60),
        ("05-trunc-boundary.tar", "ends without the zero blocks"),
        ("06-trunc-header.tar", "ends in the middle of a header"),
        ("09-multimember.tar.gz", 60),
        ("10-pbzip2.tar.bz2", 60),
        ("12-tar-with-zip-inside.tar", 61),
        ("21-backslash.zip", 60),
        ("56-gzextra.tar.gz", 60),
    ],
)
def test_the_recorded_cases_have_the_right_outcomes(name: str, outcome: int | str) -> None:
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not there")
    content = (CASES / name).read_bytes()
    if isinstance(outcome, str):
        assert outcome in refused(content)
    else:
        assert len(unpacked(content)) == outcome
