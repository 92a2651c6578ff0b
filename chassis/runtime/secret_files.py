"""Secrets from files: `BELLHOP_JWT_SECRET_FILE=/run/secrets/jwt` instead of `BELLHOP_JWT_SECRET=…`.

That is how Docker and Kubernetes hand secrets over without showing them in a process's environment.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"


class SecretFileError(ValueError):
    """A secret file could not be used. The error's text never shows the secret."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}{SUFFIX}: {problem}")


def secret_from(environment: Mapping[str, str], variable: str) -> str | None:
    """The value of `variable`, or the content of the file that `variable_FILE` names; None if neither is set.

    White space around a file's content is not part of the secret. Raises SecretFileError.
    """
    value = environment.get(variable)
    name = environment.get(variable + SUFFIX)
    if not name:
        return value
    if value:
        raise SecretFileError(variable, f"{variable} is set as well; set one of the two")
    try:
        content = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretFileError(variable, f"{name} cannot be read: {type(error).__name__}") from None
    if not content:
        raise SecretFileError(variable, f"{name} is empty")
    return content


class SecretFiles(PydanticBaseSettingsSource):
    """A settings source that reads secret settings from files."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for variable in variables_of(self.settings_cls, field_name):
            if os.environ.get(variable + SUFFIX):
                return secret_from(os.environ, variable), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self._secret_fields()}
        return {name: value for name, value in found.items() if value is not None}

    def _secret_fields(self) -> Iterator[tuple[str, FieldInfo]]:
        for name, field in self.settings_cls.model_fields.items():
            if SecretStr in (field.annotation, *get_args(field.annotation)):
                yield name, field


def variables_of(settings_type: type[BaseSettings], field_name: str) -> tuple[str, ...]:
    """The environment variables a setting is read from, the preferred one first."""
    alias = settings_type.model_fields[field_name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    prefix = str(settings_type.model_config.get("env_prefix", ""))
    return (f"{prefix}{field_name}".upper(),)
