import re
import unicodedata
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from pixyproxy.core.guid import make_guid
from pixyproxy.core.text import fold_tag, make_filename, searchable, words

NOW = datetime(2026, 11, 20, 9, 15, tzinfo=UTC)
END = "-20261120T091500-0123abcd.avif"
END_FORM = r"-20261120T091500-[0-9a-f]{8}\.avif"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)


@given(TEXT)
@example("\ufdfa" * 27)  # one letter that is eighteen under NFKC
@example("\u0958" * 27)  # one letter that is two characters under NFC
@example("\U0001d160" * 27)
@example("\U0002f800" * 27)
@example("名" * 27)
@example("🦊" * 27)
@example("../../etc/passwd")
@example('a"; filename="evil.exe')
@example("a\r\nSet-Cookie: b")
@example("\u202egnp.exe")
def test_a_filename_is_one_safe_name(prompt: str) -> None:
    guid = make_guid()
    name = make_filename(prompt, NOW, guid, "avif")

    stem, end = name[: -len(END)], name[-len(END) :]
    assert re.fullmatch(END_FORM, end)
    assert stem
    assert {unicodedata.category(char)[0] for char in stem.replace("-", "")} <= {"L", "N", "M"}
    assert len(name.encode()) <= 255
    assert guid[:8] in name


@given(TEXT)
def test_the_words_of_a_filename_fit_their_column(prompt: str) -> None:
    name = make_filename(prompt, NOW, make_guid(), "avif")

    assert len(" ".join(words(name))) + 2 <= 1024


def test_a_filename_begins_like_its_prompt() -> None:
    name = make_filename("A red fox, in the SNOW at night", NOW, make_guid(), "png")

    assert name.startswith("A-red-fox-in-the-SNOW-at-n-20261120T091500-")


def test_a_prompt_without_words_still_has_a_filename() -> None:
    assert make_filename("🦊 ...!", NOW, make_guid(), "png").startswith("image-2026")


def test_words_that_are_equal_to_people_compare_equal() -> None:
    assert words("Straße, CAFE\u0301_\uff21\uff11") == words("STRASSE café a1")


def test_marks_belong_to_the_word_that_they_stand_in() -> None:
    assert words("हिन्दी किताब") == ["हिन्दी", "किताब"]
    assert words("ภาษาไทย น้ำ") == ["ภาษาไทย", words("น้ำ")[0]]
    assert words("a\u0301b _x_ y") == ["ab", "x", "y"]


def test_latin_accents_and_case_do_not_count() -> None:
    assert words("Crème BRÛLÉE, façade; Ångström") == ["creme", "brulee", "facade", "angstrom"]


def test_cjk_text_and_symbols_are_cut_into_characters() -> None:
    assert words("日本語のAI猫") == ["日", "本", "語", "の", "ai", "猫"]
    assert words("고양이 ㄅ ガ") == ["고", "양", "이", "ㄅ", "ガ"]
    assert words("❤\ufe0f👩🏽\u200d🚀 c☂d") == ["❤", "👩", "🚀", "c", "☂", "d"]


def test_words_are_stored_with_a_space_on_each_side() -> None:
    assert searchable("Red FOX, snow") == " red fox snow "
    assert searchable("...") == "  "


def test_tags_that_look_alike_are_one() -> None:
    assert fold_tag("  Été\u00a0\uff21  b ") == "été a b"
    assert fold_tag("ete") != fold_tag("été"), "accents count: a tag is a name"
