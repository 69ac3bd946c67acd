"""Pictures in ZIP and tar archives: which there are, what is in them, and what becomes of hostile ones."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.errors import StorageError
from pipeline.scoring import files
from pipeline.scoring.archives import contents, member, zips
from pipeline.scoring.archives.contents import LEADS_OUT, NESTED, Contents
from pipeline.scoring.archives.member import CUT, Member, place_of
from pipeline.scoring.shard import Shard

SUFFIXES = [".png", ".jpg"]
MOST = 10_000
Pack = Callable[[dict[str, bytes]], bytes]


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, content in members.items():
            add(archive, name, content)
    return packed.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **values: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in values.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def found(packed: bytes, name: bytes = b"a.zip") -> Contents:
    return contents.find(name, io.BytesIO(packed), SUFFIXES, MOST)


def places(packed: bytes, name: bytes = b"a.zip") -> dict[bytes, str]:
    """Give what is wrong with each member; nothing where it can be read."""
    return {one.path: fault(one) for one in found(packed, name).members}


def fault(one: Member) -> str:
    return one.place.removeprefix("!") if one.place.startswith("!") else ""


def read(packed: bytes, one: Member) -> bytes | str:
    try:
        content = contents.read(io.BytesIO(packed), place_of(one.place))
    except DecodeError as why:
        return str(why)
    if isinstance(content, bytes):
        return content
    with content:
        return content.read()


BOTH = pytest.mark.parametrize(("name", "pack"), [(b"a.zip", zipped), (b"A.TAR", tarred)], ids=["zip", "tar"])
LONG = "folder/" * 40 + "é 7.png"


@BOTH
def test_pictures_are_told_from_other_members_as_in_a_folder(name: bytes, pack: Pack) -> None:
    names = (
        "b/1.PNG",
        "./a.png",
        "b//2.jpg",
        LONG,
        "0001.cls",
        "x.heic",
        ".c.png",
        "__MACOSX/d.png",
        "@eaDir/e.png",
        "png",
        "f/",
    )

    kept = found(pack(dict.fromkeys(names, b"12")), name)

    assert {one.path for one in kept.members} == {
        name + b"/" + one for one in (b"b/1.PNG", b"a.png", b"b/2.jpg", LONG.encode())
    }
    assert kept.unread == {".heic": 1}
    assert kept.ignored in (5, 6)  # in a tar of these, f/ is a file


@pytest.mark.parametrize("method", sorted(zips.METHODS))
def test_members_of_a_zip_are_read_however_they_are_compressed(method: int) -> None:
    members = {f"{size}.png": bytes(range(256)) * (size // 256) for size in (0, 256, 2**13)}
    packed = zipped(members, method)

    assert {one.path.decode()[6:]: read(packed, one) for one in found(packed).members} == members


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_a_tar_are_read_in_all_its_formats(form: int) -> None:
    members = {f"{'n' * 80}/{size}.png": bytes(size) for size in (0, 1, 512, 5000)}
    packed = tarred(members, form)

    assert {one.path.decode()[6:]: read(packed, one) for one in found(packed, b"a.tar").members} == members


@BOTH
def test_a_large_member_is_a_file_that_is_read_piece_by_piece(name: bytes, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "LARGEST_IN_MEMORY", 10)
    packed = pack({"a.png": b"0123456789abcdef"})
    (one,) = found(packed, name).members

    content = contents.read(io.BytesIO(packed), place_of(one.place))

    assert not isinstance(content, bytes)
    with content:
        assert content.read() == b"0123456789abcdef"
    assert read(packed[:200] if name == b"A.TAR" else packed, one) in (b"0123456789abcdef", CUT)


@BOTH
def test_names_that_lead_out_are_errors_and_stay_as_they_are(name: bytes, pack: Pack) -> None:
    wrong = places(pack(dict.fromkeys(("../../a.png", "/etc/b.png", "c/../d.png", "e.png"), b"1")), name)

    assert wrong == {
        name + b"/../../a.png": LEADS_OUT,
        name + b"//etc/b.png": LEADS_OUT,
        name + b"/c/../d.png": LEADS_OUT,
        name + b"/e.png": "",
    }


@BOTH
def test_an_archive_in_an_archive_and_what_is_too_large_are_errors(name: bytes, pack: Pack) -> None:
    wrong = places(pack({"b.zip": zipped({"c.png": b""}), "d.tar": b"", "large.png": bytes(MOST + 1)}), name)

    assert wrong == {
        name + b"/b.zip": NESTED,
        name + b"/d.tar": NESTED,
        name + b"/large.png": f"{MOST + 1} bytes, more than {MOST}",
    }


@BOTH
def test_of_two_members_of_one_name_the_last_counts(name: bytes, pack: Pack) -> None:
    packed = pack({"a.png": b"first", "./a.png": b"second"})

    kept = found(packed, name)

    assert [read(packed, one) for one in kept.members] == [b"second"]
    assert kept.ignored == 1


@BOTH
def test_an_archive_without_a_picture_is_an_error(name: bytes, pack: Pack) -> None:
    assert places(pack({"a.txt": b""}), name) == {name: "an archive without a picture"}


@BOTH
def test_what_is_no_archive_is_an_error(name: bytes, pack: Pack) -> None:
    for content in (b"", b"no archive at all", bytes(range(256)) * 100):
        ((path, why),) = places(content, name).items()
        assert path == name
        assert why


@BOTH
def test_an_archive_with_too_many_members_is_read_as_far_as_it_may_be(
    name: bytes, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MOST_MEMBERS", 3)

    wrong = places(pack({f"{number}.png": b"" for number in range(5)}), name)

    assert list(wrong) == [name, *(name + b"/%d.png" % number for number in range(3))]
    assert wrong[name] == "more than 3 pictures: those after them are not read. Make it several archives"


@BOTH
def test_no_part_of_an_archive_is_read_at_once_that_is_too_large(
    name: bytes, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "MOST_AT_ONCE", 600)
    members = {f"{'n' * 200}{number}.png": b"" for number in range(5)} if name == b"a.zip" else {"é" * 1000 + ".png": b""}

    wrong = places(pack(members), name)

    assert wrong == {name: "a part of more than 600 bytes would have to be read to find what is in it"}


def test_a_cut_zip_is_an_error() -> None:
    assert places(zipped({"a.png": b"1"})[:-10]) == {b"a.zip": "not an archive, or cut short: File is not a zip file"}


@pytest.mark.parametrize("left", [2048, 1536, 1025, 1024, 1023, 600, 512])
def test_a_cut_tar_gives_the_members_that_are_whole_and_an_error(left: int) -> None:
    packed = tarred({"a.png": bytes(512), "b.png": bytes(512)}, tarfile.USTAR_FORMAT)

    wrong = places(packed[:left], b"a.tar")

    assert wrong.pop(b"a.tar") == CUT
    assert list(wrong)[:1] == ([b"a.tar/a.png"] if left >= 1024 else list(wrong)[:1])
    for one in found(packed[:left], b"a.tar").members[1:]:
        assert read(packed[:left], one) in (bytes(512), CUT)


def test_a_tar_whose_middle_is_damaged_says_that_there_is_more() -> None:
    packed = bytearray(tarred({"a.png": b"1", "b.png": b"1"}, tarfile.USTAR_FORMAT))
    packed[1024:1100] = b"x" * 76

    assert places(bytes(packed), b"a.tar") == {b"a.tar": "broken: members after these cannot be found", b"a.tar/a.png": ""}


def test_links_and_files_with_holes_in_a_tar_are_errors_and_devices_are_left_out() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        add(archive, "a.png", b"1")
        add(archive, "hard.png", type=tarfile.LNKTYPE, linkname="a.png")
        add(archive, "soft.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "pipe.png", type=tarfile.FIFOTYPE)
        add(archive, "folder.png", type=tarfile.DIRTYPE)
        add(archive, "sparse.png", type=tarfile.GNUTYPE_SPARSE)

    assert places(packed.getvalue(), b"a.tar") == {
        b"a.tar/a.png": "",
        b"a.tar/hard.png": "a link to a.png, in the archive",
        b"a.tar/sparse.png": "stored with holes, which is not read",
    }


def directory_entry(packed: bytes | bytearray) -> int:
    return packed.index(b"PK\1\2")


def test_an_encrypted_member_is_an_error() -> None:
    packed = bytearray(zipped({"a.png": b"1"}))
    packed[directory_entry(packed) + 8] |= 1

    assert places(bytes(packed)) == {b"a.zip/a.png": "encrypted: the archive has a password"}


def test_a_way_of_compressing_that_is_not_known_is_an_error() -> None:
    packed = bytearray(zipped({"a.png": b"1"}))
    struct.pack_into("<H", packed, directory_entry(packed) + 10, 93)

    assert places(bytes(packed)) == {b"a.zip/a.png": "compressed in a way that is not read (method 93)"}


def test_members_of_a_zip_that_share_their_bytes_are_errors() -> None:
    packed = zipped({"a.png": b"1" * 100, "b.png": b"2" * 100})
    both = bytearray(packed)
    second = both.index(b"PK\1\2", directory_entry(packed) + 1)
    struct.pack_into("<I", both, second + 42, 0)

    assert places(bytes(both)) == {
        b"a.zip/a.png": "",
        b"a.zip/b.png": "shares its bytes with another member, as in a ZIP bomb",
    }


@pytest.mark.parametrize("said", [1, 5_000])
def test_a_member_that_is_larger_or_smaller_than_it_says_is_an_error(said: int) -> None:
    packed = bytearray(zipped({"a.png": bytes(3_000)}))
    struct.pack_into("<I", packed, directory_entry(packed) + 24, said)
    (one,) = found(bytes(packed)).members

    assert str(read(bytes(packed), one)) in (CUT, "broken in the archive: Bad CRC-32 for file 'NoName'")


@given(st.data())
def test_whatever_is_damaged_ends_in_an_error_or_in_a_picture(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([b"a.zip", b"a.tar"]))
    packed = bytearray((zipped if name == b"a.zip" else tarred)({"a.png": bytes(600), "é/b.png": b"1" * 600}))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(0, len(packed)))]

    members = found(bytes(packed), name).members

    assert members
    for one in members:
        assert read(bytes(packed), one) is not None


def test_an_archive_that_went_away_is_the_fault_of_each_of_its_members(tmp_path: Path) -> None:
    shard = Shard((b"a.tar/a.png", b"a.tar/b.png", b"a.tar/c.zip"), b"a.tar", ("0 1", "1 1", f"!{NESTED}"))

    with files.opened(bytes(tmp_path), shard, MOST) as read_some:
        assert [str(one) for one in read_some(range(3))] == [
            "cannot be read: No such file or directory",
            "cannot be read: No such file or directory",
            NESTED,
        ]


def test_an_archive_that_cannot_be_opened_has_a_row_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "b.tar").mkdir()

    wrong = [
        files.look_into(shard, lambda *_: None, folder=bytes(tmp_path), suffixes=SUFFIXES, maximum_bytes=MOST).members
        for shard in (Shard((b"a.tar",)), Shard((b"b.tar",)), Shard((b"c.tar",), bad_page=1, reason="it crashes"))
    ]

    assert wrong == [
        [(b"a.tar", 0, "!cannot be read: No such file or directory")],
        [(b"b.tar", 0, "!not a file")],
        [(b"c.tar", 0, "!it crashes")],
    ]
    with pytest.raises(StorageError):
        files.look_into(Shard((b"a.tar",)), lambda *_: None, folder=b"gone", suffixes=SUFFIXES, maximum_bytes=MOST)
