"""The code that validates also describes: `operation` makes a view of the API out of a function.

Its `query`, `form` and `json` annotations are pydantic models; they are what requests are checked
against and what `/openapi.json` says of them. spectree collects the descriptions; the checks and
their errors are ours (`parameters`, `uploads`), so that a request is refused as everything else is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from importlib.metadata import version
from typing import Any, TypeVar, get_type_hints

from flask import Response, make_response
from pydantic import BaseModel
from spectree import Response as Described
from spectree import SpecTree
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData
from spectree.plugins.base import Context
from spectree.plugins.flask_plugin import FlaskPlugin

from service.domain import Scope
from service.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    FashionStudioError,
    Forbidden,
    InvalidParameter,
    ModelMoved,
    Overloaded,
    RateLimited,
    RequestSlow,
    StorageFull,
    TimeLimit,
    Unauthorized,
)
from service.schemas import Problem
from service.web.auth import authorize, client
from service.web.context import context, studio
from service.web.given import Parameters, json_body, query_parameters
from service.web.paths import PATH
from service.web.uploads import form_fields

PROBLEM = "application/problem+json"
KEY = "key"
View = TypeVar("View", bound=Callable[..., Any])

# What any operation may answer; `operation` adds its own
ALWAYS = (
    InvalidParameter,
    RequestSlow,
    Unauthorized,
    Forbidden,
    RateLimited,
    FashionStudioError,
    DatabaseUnavailable,
    ModelMoved,
    Overloaded,
    TimeLimit,
)


class Backend(FlaskPlugin):
    """spectree on Flask, with this project's checks and path parameters."""

    def request_validation(
        self, request: Any, query: Any, json: Any, form: Any, headers: Any, cookies: Any
    ) -> None:
        request.context = Context(
            query=query_parameters(query or Parameters),
            json=json_body(json) if json else None,
            form=form_fields(form, studio().settings) if form else None,
            headers=None,
            cookies=None,
        )

    def validate_response(self, resp: Any, *_: Any) -> tuple[Response, None]:
        """Answers are held to their schemas by tests, not again for every request."""
        return make_response(resp), None

    def parse_path(self, route: Any, path_parameter_descriptions: Any) -> tuple[str, list[Any]]:
        names = re.findall(r"<(\w+)>", str(route))
        parameters = [{"name": name, "in": "path", "required": True} | PATH[name] for name in names]
        return re.sub(r"<(\w+)>", r"{\1}", str(route)), parameters


class Answers(Described):
    """What an operation answers: one success, and the problems by status."""

    def __init__(
        self,
        model: type[BaseModel] | None,
        status: int,
        description: str,
        refuses: Iterable[type[FashionStudioError]],
        content: dict[str, Any] | None,
        headers: dict[str, str],
        also: dict[int, str],
    ) -> None:
        self.refusals: dict[int, list[type[FashionStudioError]]] = {}
        for error in refuses:
            self.refusals.setdefault(error.status, []).append(error)
        models: Any = {f"HTTP_{status}": (model, description)}
        models |= {f"HTTP_{other}": (model, text) for other, text in also.items()}
        models |= {f"HTTP_{refused}": Problem for refused in self.refusals}
        super().__init__(**models)
        self.successes = [str(status), *map(str, also)]
        self.content = content
        self.headers = headers

    def generate_spec(self, naming_strategy: Any = None) -> dict[str, Any]:
        responses = super().generate_spec(naming_strategy)
        if self.content is not None:
            responses[self.successes[0]]["content"] = self.content
        for success in self.successes if self.headers else ():
            responses[success]["headers"] = {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in self.headers.items()
            }
        for status, errors in self.refusals.items():
            response = responses[str(status)]
            response["description"] = ", ".join(f"`{error.code}`" for error in errors)
            schema = response["content"].pop("application/json")
            response["content"][PROBLEM] = schema | {
                "examples": {error.code: {"value": _example(error)} for error in errors}
            }
        return dict(sorted(responses.items()))


def operation(
    model: type[BaseModel] | None = None,
    status: int = 200,
    *,
    scope: Scope,
    refuses: Iterable[type[FashionStudioError]] = (),
    description: str = "",
    content: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    also: dict[int, str] | None = None,
) -> Callable[[View], View]:
    """A view whose docstring, models and refusals are its description.

    model: the JSON that it answers with. status: of success. scope: that the caller's key must have.
    Room, rate and scope are checked before anything of the request is read. refuses: errors beside
    those that any operation may raise. content: instead of a model, media types as OpenAPI has them.
    headers: of the success, with what they say. also: other statuses of success.
    """

    def decorate(view: View) -> View:
        answers = Answers(
            model,
            status,
            description or _first_line(model or view),
            dict.fromkeys((*ALWAYS, *refuses, *_of_body(view))),
            content,
            headers or {},
            also or {},
        )
        tag = view.__module__.rpartition(".")[2]
        checked = api.validate(
            resp=answers,
            tags=[tag],
            operation_id=view.__name__,
            security={KEY: [scope]},
            validation_error_status=InvalidParameter.status,
        )(_admitted(view))

        @wraps(checked)
        def let_in(**path: str) -> Response:
            context().admission.require_room()
            context().rates.count(client())
            authorize(scope)
            return checked(**path)

        return let_in  # type: ignore[return-value]

    return decorate


def _admitted(view: View) -> View:
    """The view once the request is read: then it counts as worked on."""

    @wraps(view)
    def admitted(*arguments: Any, **named: Any) -> Any:
        with context().admission.admitted():
            return view(*arguments, **named)

    admitted.__annotations__ = get_type_hints(view, include_extras=True)  # names of its own module
    return admitted  # type: ignore[return-value]


def _of_body(view: View) -> Iterator[type[FashionStudioError]]:
    """The errors of reading a body of the kind that the view takes."""
    if "json" in view.__annotations__:
        yield BodyTooLarge
    if "form" in view.__annotations__:
        yield StorageFull


def document() -> dict[str, Any]:
    """The OpenAPI document of the current application."""
    return api.spec


def _first_line(described: Any) -> str:
    return (described.__doc__ or "").strip().split("\n")[0]


def _example(error: type[FashionStudioError]) -> dict[str, Any]:
    return {
        "type": f"/problems/{error.code}",
        "title": error.title(),
        "status": error.status,
        "detail": error().detail,
        "code": error.code,
    }


api = SpecTree(
    backend=Backend,
    before=lambda *_: None,
    after=lambda *_: None,
    mode="strict",
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    validation_error_model=Problem,
    title="Fashion Studio",
    version=version("fashion-studio"),
    description="More like this, on your own Postgres. "
    "Every error is a problem of RFC 9457 with a stable `code`.",
    security_schemes=[
        SecurityScheme(
            name=KEY,
            data=SecuritySchemeData(
                type=SecureType.HTTP,
                scheme="bearer",
                description="made with `fashion-studio keys create`; a service without any key is "
                "open to its own machine",
            ),
        )
    ],
)
