"""`bellhop catalogue`: a file is compared, imported over the bus, and written again; what staff changed is left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from contracts.catalogue import ExtraStatus
from extras_service.catalogue.file import read_file
from tests.support.guest import Json, body, token
from tests.support.operator import NAME, Operator
from tests.support.pictures import jpeg, opened

WHY = ("--why", "winter prices")


async def test_a_file_is_imported_after_a_dry_run_and_leaves_what_staff_have_changed(
    own_system: Callable[..., Any], tmp_path: Path
) -> None:
    operator = Operator(await own_system())
    file = tmp_path / "catalogue.yaml"

    async def owner(method: str, path: str, said: Json | None = None) -> Json:
        signed = token(
            sub="owner-hilde", role="owner", property="alpenhof", reservation=None, stay_from=None, stay_to=None
        )
        http = operator.system.browser(f"Bearer {signed}")
        return body(await http.request(method, f"/v1/staff/{path}", json=said), 200)

    async def extra(extra_id: str) -> Json:
        listed = await owner("GET", "catalogue")
        return next(each for each in listed["extras"] if each["extra_id"] == extra_id)

    exported = await operator.runs("catalogue", "export")
    file.write_text(exported.said)
    assert "as the file says" in (await operator.runs("catalogue", "diff", str(file))).said

    spa = await extra("alm-spa")
    by_staff = spa["definition"] | {"max_quantity": 3}
    await owner("PUT", "catalogue/alm-spa", {"version": spa["version"], "definition": by_staff})
    written = yaml.safe_load(file.read_text())
    for entry in written["extras"]:
        if entry["extra_id"] in ("alm-spa", "alm-breakfast"):
            entry["unit_price"]["amount"] += 100
    written["extras"].append(written["extras"][0] | {"extra_id": "alm-new"})
    file.write_text(yaml.safe_dump(written, allow_unicode=True))

    differences = await operator.json("catalogue", "diff", str(file), code=1)
    assert {each["name"]: each["step"] for each in differences} == {
        "alm-spa": "leave",
        "alm-breakfast": "change",
        "alm-new": "add",
    }
    await operator.runs("catalogue", "import", str(file), *WHY, code=3)
    assert (await extra("alm-breakfast"))["version"] == 1
    done = await operator.runs("catalogue", "import", str(file), *WHY, "--yes")

    assert "2 imported" in done.said
    breakfast = await extra("alm-breakfast")
    assert (breakfast["version"], breakfast["changed_since_import"]) == (2, False)
    assert breakfast["versions"][-1]["by"] == f"{NAME} (operator)"
    assert breakfast["versions"][-1]["reason"] == "winter prices"
    assert (await extra("alm-spa"))["definition"] == by_staff
    assert (await extra("alm-new"))["status"] == ExtraStatus.OFFERED
    acts = [act for act in await operator.json("audit-log") if act["action"] == "catalogue import"]
    assert [act["why"] for act in acts] == ["winter prices"]

    await operator.runs("catalogue", "import", str(file), *WHY, "--overwrite", "--yes")
    assert (await extra("alm-spa"))["changed_since_import"] is False
    file.write_text((await operator.runs("catalogue", "export", "--property", "alpenhof")).said)
    assert set(read_file(file).properties) == {"alpenhof"}


async def test_pictures_are_uploaded_by_an_import_written_by_an_export_and_the_same_again_after_both(
    own_system: Callable[..., Any], tmp_path: Path
) -> None:
    system = await own_system()
    operator = Operator(system)
    exported = yaml.safe_load((await operator.runs("catalogue", "export", "--property", "alpenhof")).said)
    folder = tmp_path / "winter"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "spa.jpg").write_bytes(jpeg(1500, 1000))
    spa = next(entry for entry in exported["extras"] if entry["extra_id"] == "alm-spa")
    spa["picture"] = {"file": "photos/spa.jpg", "alt": {"en": "A sauna"}}
    file = folder / "catalogue.yaml"
    file.write_text(yaml.safe_dump(exported, allow_unicode=True))

    [difference] = await operator.json("catalogue", "diff", str(file), code=1)
    assert (difference["name"], difference["fields"]) == ("alm-spa", ["picture"])
    assert difference["upload"].endswith("photos/spa.jpg")
    assert "1 imported" in (await operator.runs("catalogue", "import", str(file), *WHY, "--yes")).said
    assert "as the file says" in (await operator.runs("catalogue", "diff", str(file))).said

    guest = system.guest()
    extras = body(await guest.http.get("/v1/extras"), 200)["extras"]
    picture_id = next(extra["picture"]["picture_id"] for extra in extras if extra["extra_id"] == "alm-spa")
    served = await guest.http.get(f"/v1/pictures/{picture_id}/1280")
    assert opened(served.content).size == (1280, 853)

    written = tmp_path / "export" / "catalogue.yaml"
    await operator.runs("catalogue", "export", "--property", "alpenhof", "--to", str(written))
    assert (written.parent / "pictures" / f"{picture_id}.webp").read_bytes() == served.content
    assert "as the file says" in (await operator.runs("catalogue", "diff", str(written))).said

    other = Operator(await own_system())
    assert "1 imported" in (await other.runs("catalogue", "import", str(written), *WHY, "--yes")).said
    assert "as the file says" in (await other.runs("catalogue", "diff", str(written))).said

    (folder / "photos" / "spa.jpg").write_bytes(jpeg(1500, 1000)[:9000])
    refused = await operator.runs("catalogue", "import", str(file), *WHY, "--yes", code=2)
    assert "spa.jpg: This picture is damaged" in refused.said
