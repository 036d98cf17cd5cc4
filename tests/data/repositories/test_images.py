"""The repository, the same on both databases."""

import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pixyproxy.core.criteria import ImageCriteria
from pixyproxy.core.fields import MAX_PROMPT_CHARS
from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.data.init import Database
from tests.support.rows import count_images, keep, make_image, raw, repository

PROMPTS = {
    "emoji": "a 👩‍👩‍👧‍👦 family with a 🐈 and 🏳️‍🌈",
    "right-to-left": "قطة تجلس على \u202eحصيرة\u202c שלום",
    "combining": "Z̸̡̛a̶l̷g̵o e\u0301 and \u00e9 stay different",
    "cjk": "一只猫坐在垫子上 𠮷野家 猫が座る 고양이",
    "blank edges": "  two leading,\ttab, newline\n and trailing  ",
    "sql": "Robert'); DROP TABLE images;-- %s :name ? {0} \\ \\' \"",
    "long": "猫🐈" * (MAX_PROMPT_CHARS // 2),
    "swelling": "\ufdfa" * MAX_PROMPT_CHARS,
}


async def get(database: Database, guid: str) -> ImageDetail | None:
    async with database.open_context() as context:
        return next(iter(await repository.get_images(context, [guid])), None)


async def search(
    database: Database, page: int = 1, size: int = 100, **criteria: str
) -> list[ImageDetail]:
    async with database.open_context() as context:
        return await repository.search_images(
            context, ImageCriteria(**criteria), page=page, size=size
        )


async def list_images(database: Database, page: int, size: int) -> list[ImageDetail]:
    async with database.open_context() as context:
        return await repository.list_images(context, page=page, size=size)


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
async def test_a_prompt_comes_back_exactly(database: Database, prompt: str) -> None:
    image = make_image(prompt, revised_prompt=prompt, parameters={"echo": prompt})
    await keep(database, image)
    assert await get(database, image.guid) == image
    assert await list_images(database, 1, 10) == [image]


@pytest.mark.parametrize("content_type", ContentType)
async def test_every_field_comes_back(database: Database, content_type: ContentType) -> None:
    image = make_image(
        filename="名前-" + "\ufdfa" * 27 + ".png",
        content_type=content_type,
        byte_size=2**40,
        model="m" * 255,
        created_at=datetime(2026, 2, 3, 4, 5, 6, 789_012, UTC),
        updated_at=datetime(2026, 2, 3, 23, 5, 6, 1, timezone(timedelta(hours=5))),
        parameters={"deep": {"list": [1, 2.5, None, True, "ä"]}},
    )
    await keep(database, image)
    found = await get(database, image.guid)
    assert found == image
    assert found.updated_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda guid: guid + " ",
        lambda guid: " " + guid,
        lambda guid: guid.replace("a", "ä"),
        lambda guid: guid.replace("-", ""),
        lambda guid: guid[:-1] + "\u0661",
        lambda guid: "0",
        lambda guid: "12",
        lambda guid: guid + "' OR '1'='1",
        lambda guid: "%",
        lambda guid: "",
    ],
)
async def test_only_the_exact_guid_finds(database: Database, change) -> None:
    image = make_image(guid="12abcdef-abcd-4abc-8abc-abcdefabcdea")
    await keep(database, image)
    other = change(image.guid)
    assert await get(database, other) is None
    assert await search(database, guid=other) == []
    assert await search(database, guid=image.guid) == [image]


async def test_a_guid_is_taken_once(database: Database, database_url: str) -> None:
    image = make_image()
    await keep(database, image)
    async with database.open_context() as context:
        await context.begin_transaction()
        assert not await repository.create_image(context, make_image("other", guid=image.guid))
        assert await repository.create_image(context, make_image())  # the transaction goes on
        await context.commit_transaction()
    assert await get(database, image.guid) == image
    assert count_images(database_url) == 2


async def test_rows_are_added_in_order_but_for_those_that_are_taken(database: Database) -> None:
    images = [make_image(f"cat {number}") for number in range(6)]
    await keep(database, images[3])
    async with database.open_context() as context:
        await context.begin_transaction()
        assert await repository.add_images(context, []) == set()
        assert await repository.add_images(context, images[:2]) == {
            image.guid for image in images[:2]
        }
        again = make_image("again", guid=images[4].guid)
        added = await repository.add_images(context, [*images[1:], again])
        assert added == {images[2].guid, images[4].guid, images[5].guid}
        await context.commit_transaction()
    order = [images[number] for number in (5, 4, 2, 1, 0, 3)]
    assert await list_images(database, 1, 10) == order


async def test_a_deleted_image_gets_no_row_among_others(
    database: Database, database_url: str
) -> None:
    images = [make_image(f"cat {number}") for number in range(3)]
    raw(
        database_url,
        "INSERT INTO deleted_images (guid, content_type, deleted_at, bytes_gone) "
        f"VALUES ('{images[1].guid}', 'image/png', '2026-01-01 00:00:00.000000', 1)",
    )
    async with database.open_context() as context:
        await context.begin_transaction()
        added = await repository.add_images(context, images)
        await context.commit_transaction()
    assert added == {images[0].guid, images[2].guid}
    assert await list_images(database, 1, 10) == [images[2], images[0]]
    # Its bytes were written once more: they are to be removed again.
    assert raw(database_url, "SELECT bytes_gone FROM deleted_images") == [(0,)]


async def test_several_rows_are_added_in_a_transaction(database: Database) -> None:
    async with database.open_context() as context:
        with pytest.raises(RuntimeError, match="transaction"):
            await repository.add_images(context, [make_image(), make_image()])
        assert await repository.add_images(context, [make_image()])
    assert len(await list_images(database, 1, 10)) == 1


@pytest.mark.parametrize(
    ("prompt", "finds", "misses"),
    [
        ("A red Cat sits", ["cat", "CAT red", "sits  a", "red,cat!"], ["ca", "cats", "red dog"]),
        ("STRASSE Ünïcode", ["straße", "ünïcode", "ÜNÏCODE", "unicode"], ["stra", "code"]),
        ("ﬁne Ⅷ \uff11\uff12", ["fine", "viii", "12"], ["fi", "1"]),
        ("learn C++ at 100%", ["C++", "c", "100%", "%100", "C"], ["C+D", "%00", "1_0"]),
        ("snake_case and under", ["snake", "case", "snake_case"], ["snakecase", "snak_"]),
        ('it\'s a "back\\slash"', ["it's", "'s", "back\\slash", '"slash"'], ["backslash"]),
        ("cat) AND (dog* @home", ["cat)", "dog*", "@home", "and"], ["cat or"]),
        ("猫が寝る🐈", ["猫", "寝る", "🐈", "🐈猫", '"寝る"'], ["犬", '"猫寝"']),
        ("e\u0301te\u0301", ["été", "ete", "ÉTÉ"], ["et"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"], ["हिनदी"]),
        ("a red fox, at night", ['"red fox"', '"Fox at" -"red night"', "“a red”"], ['"fox red"']),
        ("photographs", ["photo*", "PH*"], ["p*", "hoto*"]),
        (
            "cat and dog",
            ["cat -fox", "dog -ca"],
            ["cat -dog", "-cat", "-do*", '-"and dog"'],
        ),
    ],
)
async def test_words_are_found_whole(
    database: Database, prompt: str, finds: list[str], misses: list[str]
) -> None:
    image = make_image(prompt)
    await keep(database, make_image("something else"), image)
    for text in finds:
        assert await search(database, prompt=text) == [image], text
        assert await search(database, query=text) == [image], text
        assert await search(database, filename=text) == [], text
    for text in misses:
        assert image not in await search(database, prompt=text), text


@pytest.mark.parametrize("text", ["", " ", "%", "_", "'", '"', "\\", "*", "++", "--", "%_%", "-*"])
async def test_text_without_words_finds_nothing(database: Database, text: str) -> None:
    await keep(database, make_image(f"a cat {text}"))
    for criterion in ("prompt", "filename", "query", "guid"):
        assert await search(database, **{criterion: text}) == []


async def test_criteria_combine(database: Database) -> None:
    red = make_image("a red cat", filename="red-one.png")
    blue = make_image("a blue cat", filename="blue-one.png")
    await keep(database, red, blue)
    assert await search(database) == [blue, red]
    assert await search(database, prompt="cat", filename="one") == [blue, red]
    assert await search(database, prompt="cat", filename="red") == [red]
    assert await search(database, query="cat red png") == [red]
    assert await search(database, query=red.guid) == [red]
    assert await search(database, query=red.guid, prompt="blue") == []
    assert await search(database, prompt="cat", guid=blue.guid) == [blue]


async def test_a_query_finds_the_guid_that_a_prompt_quotes(database: Database) -> None:
    first = make_image()
    quoting = make_image(f"like {first.guid}")
    await keep(database, first, quoting)
    assert await search(database, query=first.guid) == [quoting, first]


async def test_pages_are_newest_first_and_end(database: Database) -> None:
    images = [make_image(f"cat {number}") for number in range(5)]
    await keep(database, *images)
    newest_first = images[::-1]
    assert await list_images(database, 1, 2) == newest_first[:2]
    assert await list_images(database, 3, 2) == newest_first[4:]
    assert await list_images(database, 4, 2) == []
    assert await list_images(database, 2**31 - 1, 100) == []
    assert await search(database, page=2, size=2, prompt="cat") == newest_first[2:4]
    assert await search(database, page=2**31 - 1, prompt="cat") == []


async def test_statements_are_compiled_once(database: Database) -> None:
    await keep(database, make_image("a cat"))
    logger = logging.getLogger("sqlalchemy.engine")
    records: list[str] = []
    rounds: list[list[str]] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    database._engine.sync_engine.echo = True  # the engine took its level when it was made
    try:
        for page, size in ((1, 10), (2, 20)):
            await list_images(database, page, size)
            await search(database, page, size, prompt=f"cat{page}")
            await get(database, make_image().guid)
            rounds.append([record for record in records if record.startswith("[")])
            records.clear()
    finally:
        database._engine.sync_engine.echo = False
        logger.removeHandler(handler)
        logger.setLevel(level)
    first, second = rounds
    assert any(record.startswith("[generated") for record in first)
    assert second
    assert all(record.startswith("[cached") for record in second)
