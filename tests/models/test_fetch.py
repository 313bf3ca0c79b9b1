"""fetch: one URL to one file, against a real server with real faults."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deepanalyze_cli.errors import ModelError, SourceUnreachable
from deepanalyze_cli.models.fetch import fetch, read_json

DATA = bytes(range(256)) * 2000


@pytest.fixture
def url(site) -> str:
    site.files["/x"] = DATA
    return f"{site.url}/x"


def test_brings_a_file_and_tells_its_bytes(url, tmp_path):
    told = []
    fetch(url, tmp_path / "f", len(DATA), on_bytes=told.append)
    assert (tmp_path / "f").read_bytes() == DATA
    assert told == sorted(told)
    assert told[-1] == len(DATA)


def test_asks_only_for_what_is_missing(site, url, tmp_path):
    (tmp_path / "f").write_bytes(DATA[:1000])
    fetch(url, tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA
    assert site.asked == [("/x", "bytes=1000-")]


def test_asks_for_nothing_when_all_is_there(site, url, tmp_path):
    (tmp_path / "f").write_bytes(DATA)
    fetch(url, tmp_path / "f", len(DATA))
    assert site.asked == []


def test_takes_up_a_line_that_broke_twice(site, url, tmp_path):
    site.cuts["/x"] = [100_000, 50_000]
    fetch(url, tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA
    assert site.asked == [("/x", None), ("/x", "bytes=100000-"), ("/x", "bytes=150000-")]


def test_starts_over_where_the_server_knows_no_ranges(site, url, tmp_path):
    site.no_range.add("/x")
    site.cuts["/x"] = [100_000]
    fetch(url, tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA


def test_not_now_is_asked_again_where_bytes_came_before_but_not_for_ever(site, url, tmp_path):
    site.cuts["/x"] = [100_000]
    site.answers["/x"] = [None, 503, 503, 503]
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1: it answers 503"):
        fetch(url, tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA[:100_000]
    assert len(site.asked) == 4


def test_what_is_longer_than_the_file_is_thrown_away(url, tmp_path):
    (tmp_path / "f").write_bytes(DATA + b"more")
    fetch(url, tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA


def test_another_length_is_refused_and_what_was_there_is_kept(site, url, tmp_path):
    site.files["/x"] = b"<html>please log in to this network</html>"
    site.no_range.add("/x")
    (tmp_path / "f").write_bytes(DATA[:1000])
    with pytest.raises(SourceUnreachable, match=f"has 42 bytes, expected {len(DATA)}"):
        fetch(url, tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA[:1000]


def test_a_stream_without_end_is_cut_off(site, url, tmp_path):
    site.no_length.add("/x")
    with pytest.raises(SourceUnreachable, match="sends more than the 1000 bytes"):
        fetch(url, tmp_path / "f", 1000)
    assert (tmp_path / "f").stat().st_size <= 1000


def test_a_server_that_is_not_there_is_given_up_at_once(tmp_path):
    with pytest.raises(SourceUnreachable, match=r"^127\.0\.0\.1: it cannot be reached: Connection refused"):
        fetch("http://127.0.0.1:9/x", tmp_path / "f", 1)
    assert not (tmp_path / "f").exists()


def test_a_refusal_is_final(site, tmp_path):
    with pytest.raises(SourceUnreachable, match="404 Not Found"):
        fetch(f"{site.url}/absent", tmp_path / "f", 1)
    assert len(site.asked) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense", "http://[x"])
def test_only_http_is_opened(url, tmp_path):
    with pytest.raises(SourceUnreachable, match="is no address"):
        fetch(url, tmp_path / "f", 1)


def test_a_redirect_to_a_file_is_not_followed(site, tmp_path):
    site.redirects["/x"] = "file:///etc/passwd"
    with pytest.raises(SourceUnreachable):
        fetch(f"{site.url}/x", tmp_path / "f", 1)
    assert not (tmp_path / "f").exists()


def test_a_password_goes_to_its_host_and_not_to_where_it_redirects(site, url, tmp_path):
    site.redirects["/secret"] = f"http://localhost:{urlsplit(url).port}/x"
    fetch(f"{site.url.replace('//', '//me:p%40ss@')}/secret", tmp_path / "f", len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA
    assert site.authorized == ["Basic bWU6cEBzcw==", None]


def test_a_password_is_not_told(tmp_path):
    with pytest.raises(SourceUnreachable) as caught:
        fetch("http://me:sesame@127.0.0.1:9/x", tmp_path / "f", 1)
    assert "sesame" not in str(caught.value)


def test_an_answer_that_is_not_json(site):
    site.files["/page"] = b"<html>"
    with pytest.raises(SourceUnreachable, match="not JSON"):
        read_json(f"{site.url}/page")


def test_a_full_disk_says_what_to_do_and_keeps_what_came(site, small_disk: Path):
    site.files["/big"] = b"x" * (60 << 20)
    with pytest.raises(ModelError, match=r"the disk is full.*make room") as caught:
        fetch(f"{site.url}/big", small_disk / "f", 60 << 20)
    assert not isinstance(caught.value, SourceUnreachable)
    assert (small_disk / "f").stat().st_size > 40 << 20


def test_a_folder_that_cannot_be_written(url, tmp_path):
    with pytest.raises(ModelError, match=r"cannot write in .*DEEPANALYZE_MODELS_DIR"):
        fetch(url, tmp_path / "absent" / "f", len(DATA))
