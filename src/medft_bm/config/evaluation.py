"""What a user may set about asking a model and scoring its replies."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from medft_bm.config.fields import Count, FilePath, Natural, SampleLimit, Section

Positive = Annotated[float, Field(gt=0)]
Price = Annotated[float, Field(ge=0)]


class Server(Section):
    """An OpenAI-compatible endpoint, used when evaluate.backend is openai (see docs/backends.md)."""

    url: str | None = None
    """Its address up to /v1, like http://localhost:8000/v1: images of patients are sent there."""
    model: str | None = None
    """What the server calls the model; null: the only one it offers."""
    revision: str | None = None
    """Your word for the weights it serves: replies kept under it are taken over unchecked; null: a few are re-asked."""
    key_variable: str | None = None
    """Environment variable with the key; null: OPENAI_API_KEY, and over https only."""
    key_file: FilePath | None = None
    """File with the key, instead of a variable."""
    concurrency: Count = 8
    """Questions that wait for their replies at the same time."""
    requests_per_minute: Positive | None = None
    """Rate limit, retries included; null: none."""
    retries: Natural = 8
    """Further tries after a 429, a 5xx or a lost connection, up to 8 s apart or as the server says."""
    timeout_s: Positive = 300
    """Seconds to wait for one reply."""
    price_per_million_input: Price | None = None
    """Price of a million input tokens, images included, for the cost count; null: unknown."""
    price_per_million_output: Price | None = None
    """Price of a million output tokens; null: unknown."""
    extra: dict[str, Any] = {}
    """Further fields of every request, like {repetition_penalty: 1.0}; part of what a reply is kept under."""

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not url.startswith(("http://", "https://")):
            raise ValueError("the address must start with http:// or https://")
        if "@" in url or "?" in url or "#" in url:
            raise ValueError("write the bare address; a key goes into key_variable or key_file")
        return url.rstrip("/")


class Fake(Section):
    """Replies without a model, used when evaluate.backend is fake: for dry runs of everything else."""

    right: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of replies that are the reference answer."""
    near: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of replies that are wrong, by up to a fifth where they are numbers; the rest is nonsense."""

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.right + self.near > 1:
            raise ValueError(f"right {self.right:g} and near {self.near:g} are more than everything")
        return self


class Evaluate(Section):
    """Replies, scores and the report."""

    split: Literal["validation", "test"] = "test"
    """Split whose samples are asked."""
    limit: SampleLimit = None
    """Samples asked, in equal shares of every part; null or -1 asks all."""
    backend: Literal["transformers", "openai", "fake"] = "transformers"
    """Who answers: a model in this process, one behind an OpenAI-compatible server, or a fake for dry runs."""
    batch: Count = 8
    """Prompts per generation batch; does not change the replies."""
    max_new_tokens: Count = 64
    """Longest reply, in tokens."""
    shots: Natural = 0
    """Training samples shown with their answers before every question; 0 asks plainly."""
    system: str = ""
    """What the system turn says before every question; empty leaves the turn out."""
    probabilities: bool = True
    """Ask also how probable each class is, where the answer is one of a closed list."""
    probes: Natural = 0
    """Questions asked again with a blank image, another pixel size, other words and so on (docs/probes.md); 0: none."""
    general: FilePath | None = None
    """Mix of other questions (a YAML file), asked before and after, to see what fine-tuning made the model forget."""
    server: Server = Server()
    fake: Fake = Fake()
    examples: Natural = 24
    """Cases drawn in the report."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Resamples of the patients behind every interval."""

    @model_validator(mode="after")
    def _somebody_to_ask(self) -> Self:
        if self.backend == "openai" and self.server.url is None:
            raise ValueError("backend openai needs server.url, like http://localhost:8000/v1")
        return self
