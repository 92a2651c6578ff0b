"""A picture on a running system: uploaded by the owner, shown by an extra, served to every browser for ever."""

import pytest

from tests.integration.flow.test_catalogue import YOGA, Owner
from tests.support.guest import Guest, Json, body, problem
from tests.support.pictures import jpeg, opened, png_claiming
from tests.support.system import System


async def _uploaded(owner: Owner, content: bytes) -> str:
    picture_id: str = body(await owner.uploads(content), 201)["picture_id"]
    return picture_id


async def test_an_owner_uploads_a_picture_and_guests_see_it_with_their_extra(system: System, guest: Guest) -> None:
    owner = Owner(system)
    picture = {"picture_id": await _uploaded(owner, jpeg(900, 600)), "alt": {"en": "A meadow"}}

    body(
        await owner.asks("POST", "catalogue", {"extra_id": "alm-shown", "definition": YOGA | {"picture": picture}}), 201
    )

    extras = body(await guest.http.get("/v1/extras"), 200)["extras"]
    [shown] = [extra for extra in extras if extra["extra_id"] == "alm-shown"]
    assert shown["picture"] == picture
    browser = system.browser("")
    for size, pixels in ((1280, (900, 600)), (480, (480, 320))):
        answer = await browser.get(f"/v1/pictures/{picture['picture_id']}/{size}")
        assert answer.status_code == 200
        assert (opened(answer.content).format, opened(answer.content).size) == ("WEBP", pixels)
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        known = await browser.get(answer.request.url.path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (known.status_code, known.content) == (304, b"")
    assert not [m for m in await system.log() if m.type and m.type.startswith("pictures.")], "no log keeps their bytes"


async def test_uploading_a_file_again_or_what_was_made_of_it_is_the_same_picture(system: System) -> None:
    owner = Owner(system)
    picture_id = await _uploaded(owner, jpeg(seed=2))
    made = await system.browser("").get(f"/v1/pictures/{picture_id}/1280")

    assert await _uploaded(owner, jpeg(seed=2)) == picture_id
    assert await _uploaded(owner, made.content) == picture_id


@pytest.mark.parametrize(
    ("content", "status", "name", "said"),
    [
        (b"<svg/>", 422, "picture-invalid", "not a JPEG, PNG or WebP"),
        (b"", 422, "picture-invalid", "not a JPEG, PNG or WebP"),
        (png_claiming(60_000, 60_000), 422, "picture-invalid", "more than 25 million pixels"),
        (jpeg()[:4000], 422, "picture-invalid", "damaged"),
        (b"\xff" * (1024 * 1024 + 1), 413, "body-too-large", "1048576 bytes"),
    ],
    ids=["svg", "empty", "bomb", "truncated", "large"],
)
async def test_a_file_that_is_no_picture_is_refused_in_one_sentence(
    system: System, content: bytes, status: int, name: str, said: str
) -> None:
    assert said in problem(await Owner(system).uploads(content), status, name)["detail"]


async def test_only_an_owner_uploads(system: System) -> None:
    problem(await Owner(system, "manager").uploads(jpeg()), 403, "wrong-role")
    problem(await system.browser("").post("/v1/staff/pictures", content=jpeg()), 401, "unauthorized")


async def test_a_picture_of_another_address_is_none(system: System) -> None:
    problem(await system.browser("").get(f"/v1/pictures/{'0' * 64}/480"), 404, "picture-not-found")
    problem(await system.browser("").get(f"/v1/pictures/{'0' * 64}/481"), 422, "invalid-request")
    problem(await system.browser("").get("/v1/pictures/..%2f..%2fetc/480"), 404, "no-such-page")


async def test_an_extra_that_refers_to_a_missing_picture_is_refused_with_its_place(system: System) -> None:
    definition: Json = YOGA | {"picture": {"picture_id": "0" * 64, "alt": {}}}

    wrong = problem(
        await Owner(system).asks("POST", "catalogue", {"extra_id": "alm-unseen", "definition": definition}),
        422,
        "extra-invalid",
    )

    assert {each["pointer"] for each in wrong["errors"]} == {
        "/body/definition/picture/picture_id",
        "/body/definition/picture/alt",
    }
