"""What of a file is in memory: real files, and the real page cache."""

import os
import sys

import pytest

from bakeoff.measure.page_cache import cached_share, drop_from_cache, model_files

SIZE = 4 * 2**20


@pytest.fixture
def files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(os.urandom(SIZE))
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    return model_files(tmp_path)


def test_what_was_just_written_is_in_memory(files):
    assert [file.name for file in files] == ["a", "b", "empty"]
    assert cached_share(files) == 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets anyone drop a file's pages")
def test_what_was_dropped_is_read_from_the_disk_again(files):
    drop_from_cache(files)
    if cached_share(files) == 1.0:
        pytest.skip("this folder's file system lives in memory")
    assert cached_share(files) == 0.0
    files[0].read_bytes()
    assert cached_share(files) == pytest.approx(0.5)


def test_a_single_file_is_a_model_too(files):
    assert model_files(files[0]) == [files[0]]


def test_what_cannot_be_read_is_unknown(files, tmp_path):
    assert cached_share([*files, tmp_path / "gone"]) is None
    assert cached_share([]) is cached_share([tmp_path / "empty"]) is None
    drop_from_cache([tmp_path / "gone"])
