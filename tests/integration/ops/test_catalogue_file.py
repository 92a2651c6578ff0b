"""`bellhop catalogue`: a file is compared, imported over the bus, and written again; what staff changed is left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from contracts.catalogue import ExtraStatus
from extras_service.catalogue.file import read_file
from tests.support.guest import Json, body, token
from tests.support.operator import NAME, Operator

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
