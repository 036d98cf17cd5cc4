"""The settings: read from the environment (or a .env file), checked once, handed down."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import httpx2
from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy.engine import make_url

from pixyproxy.core.addresses import is_loopback, read_place
from pixyproxy.core.api_keys import MAKE_COMMAND, check_api_key
from pixyproxy.core.setting_kinds import Hosts, NamePairs, Names, Proxies, Secrets, check_http_url
from pixyproxy.core.variables import refuse_unknown
from pixyproxy.service.providers import ProviderOptions

PREFIX = "PIXYPROXY_"


class Settings(BaseSettings):
    """Everything an operator can set. Each field is the variable PIXYPROXY_<FIELD>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    database_url: str = Field(
        "sqlite:///pixyproxy.db",
        repr=False,
        description="`mysql://user:password@host:3306/database` or `sqlite:///path`.",
    )
    database_pool_size: int = Field(
        10, ge=1, le=1000, description="Database connections per process, at most."
    )
    database_timeout_s: float = Field(
        1.5,
        ge=1.5,
        le=60,
        description="A database that has not answered after so many seconds is taken for gone.",
    )
    images: Annotated[Path | str, BeforeValidator(read_place)] = Field(
        Path("images"),
        description="The folder of the image files, or an object store: `s3://bucket/prefix`, "
        "`gs://...`, `az://...`.",
    )
    variants: Path = Field(
        Path("variants"),
        description="The folder of images in other sizes: a cache, on a local disk.",
    )
    variants_max_mb: int = Field(
        1024,
        ge=0,
        description="How much of them is kept, in MB; the least used are dropped. 0: nothing.",
    )
    trash_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="How many days a deleted image lies in a trash and can be restored. 0: no "
        "trash, it is deleted for good at once.",
    )
    accel_redirect: str | None = Field(
        None,
        description="Have nginx send image files: the path of its internal location for them, such "
        "as `/_images`.",
    )
    generator: Literal["auto", "openai", "sketch"] = Field(
        "auto",
        description="Who draws: `openai`, `sketch`, or `auto`: openai where a key or base URL "
        "is set, else sketch.",
    )
    openai_base_url: str | None = Field(
        None,
        validation_alias=AliasChoices(f"{PREFIX}OPENAI_BASE_URL", "OPENAI_BASE_URL"),
        description="Any OpenAI-compatible server, up to and including `/v1`. "
        "`OPENAI_BASE_URL` is read too.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices(f"{PREFIX}OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="The key for that server. `OPENAI_API_KEY` is read too.",
    )
    openai_response: Literal["auto", "url", "b64_json"] = Field(
        "auto",
        description="How `/v1` gives an image where the request does not say: `url`, `b64_json`, "
        "or `auto`: url for `dall-e-*`, else b64_json.",
    )
    model: str = Field(
        "gpt-image-2", min_length=1, max_length=255, description="The default model."
    )
    model_map: NamePairs = Field(
        None,
        description="Comma-separated models to ask in the place of others: "
        "`dall-e-3=gpt-image-2,gpt-image-1=gpt-image-2`.",
    )
    allow_gif: bool = Field(
        default=False,
        description="OpenAI's models may be asked for GIFs: the account has access to the preview.",
    )
    api_keys: Secrets = Field(
        (), description="Comma-separated keys that callers must have. None: anonymous use."
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Allow anonymous use beyond loopback, by anybody who can connect.",
    )
    content_requires_key: bool = Field(default=False, description="Image bytes need a key too.")
    ui: bool = Field(default=True, description="Show the gallery at `/`.")
    docs: bool = Field(default=True, description="Show the documentation of REST at `/docs`.")
    public_base_url: str | None = Field(
        None, description="What absolute image URLs begin with. Default: the request's own origin."
    )
    cors_origins: Names = Field(
        (), description="Comma-separated origins of browser frontends, such as `https://app.org`."
    )
    trusted_proxies: Proxies = Field(
        ("127.0.0.1",),
        description="Comma-separated addresses or networks whose `X-Forwarded-For` and `-Proto` "
        "count; `*` alone: anybody's.",
    )
    generation_timeout_s: float = Field(
        300,
        gt=0,
        le=3600,
        description="How many seconds a generation's call to the model may take, with its "
        "download and with what is tried again.",
    )
    sync_wait_s: float = Field(
        50,
        gt=0,
        le=3600,
        description="How many seconds a caller waits for an image; then the answer is 202, and "
        "the generation goes on.",
    )
    max_concurrent_generations: int = Field(
        8,
        ge=1,
        le=1000,
        description="Calls to the model in flight per process; twice as many callers wait.",
    )
    max_queued_generations: int = Field(
        10_000,
        ge=0,
        description="How many generations may be queued; beyond it, those that nobody waits for "
        "are refused.",
    )
    lease_s: float = Field(
        30,
        ge=1,
        le=60,
        description="How many seconds a process counts as alive after it last said so; then "
        "others settle what it left.",
    )
    min_free_mb: int = Field(
        256,
        ge=0,
        description="With less free space (in MB, on the disk of the images or of SQLite), 507 "
        "before anything is paid.",
    )
    fetch_allow: Hosts = Field(
        (),
        description="Comma-separated hosts (or host:port) that an image URL may point to "
        "in spite of its address.",
    )
    graphql_max_depth: int = Field(
        10,
        ge=1,
        description="Levels that the fields of a GraphQL operation may nest. "
        "Introspection is not counted.",
    )
    graphql_max_aliases: int = Field(
        15, ge=0, description="Aliases in a GraphQL operation, at most."
    )
    graphql_max_tokens: int = Field(
        1000, ge=1, description="Tokens in a GraphQL document, at most; as many comments."
    )
    graphql_max_directives: int = Field(
        50, ge=0, description="Directives in a GraphQL operation, at most."
    )
    graphql_max_generations: int = Field(
        4,
        ge=0,
        description="How often what may be paid for (`generateImage`, `submitGeneration`, "
        "`retryGeneration`) may stand in a GraphQL operation.",
    )
    graphql_introspection: bool = Field(
        default=True, description="Let GraphQL clients ask for the schema, as GraphiQL does."
    )
    graphql_graphiql: bool = Field(
        default=True, description="Show GraphiQL to browsers at `/graphql`."
    )
    graphql_suggestions: bool = Field(
        default=True, description="Say `Did you mean ...?` in GraphQL errors."
    )
    max_body_kib: int = Field(
        512, ge=1, le=1024 * 1024, description="The largest request body taken, in KiB."
    )
    graphql_max_body_kib: int = Field(
        256, ge=1, le=1024 * 1024, description="The largest body taken at `/graphql`, in KiB."
    )
    request_timeout_s: float = Field(
        10,
        gt=0,
        le=3600,
        description="How many seconds a request may take to come, from its first byte (and one "
        "more for each KiB that has come); then its connection is closed.",
    )
    drain_s: float = Field(
        1,
        ge=0,
        le=300,
        description="How many seconds `/health/ready` fails after SIGTERM, before the service "
        "stops listening.",
    )
    shutdown_grace_s: int = Field(
        25,
        ge=1,
        le=3600,
        description="How many seconds running requests then have to finish.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe records that are logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from. Raises ValueError where it holds an unknown one."""
        for source in (env_settings, dotenv_settings):
            assert isinstance(source, EnvSettingsSource)
            refuse_unknown(source.env_vars, settings_cls.model_fields, prefix=PREFIX)
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @field_validator("api_keys")
    @classmethod
    def _strong_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, 1):
            check_api_key(key.get_secret_value(), f"key {number}")
        return keys

    @field_validator("openai_base_url", "public_base_url")
    @classmethod
    def _http_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            httpx2.URL(url)
        except httpx2.InvalidURL:
            raise ValueError("must be an http or https URL") from None
        check_http_url(url)
        return url.rstrip("/")

    @field_validator("accel_redirect")
    @classmethod
    def _internal_path(cls, path: str | None) -> str | None:
        if path is not None and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", path):
            raise ValueError("must be a path of plain characters, such as /_images")
        return path and path.rstrip("/")

    @model_validator(mode="after")
    def _files_that_nginx_can_send(self) -> Self:
        if self.accel_redirect and isinstance(self.images, str):
            raise ValueError(
                "PIXYPROXY_ACCEL_REDIRECT is for images in a folder, not in an object store"
            )
        return self

    @field_validator("openai_api_key")
    @classmethod
    def _fit_for_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not re.fullmatch(r"[!-~]*", key.get_secret_value().strip()):
            raise ValueError("must be printable ASCII without spaces")
        return key

    @model_validator(mode="after")
    def _safe_exposure(self) -> Self:
        if is_loopback(self.host):
            return self
        if not self.api_keys and not self.allow_anonymous:
            raise ValueError(
                f"listening on {self.host} without PIXYPROXY_API_KEYS would let anybody generate "
                f"images; make a key with: {MAKE_COMMAND} "
                "(or set PIXYPROXY_ALLOW_ANONYMOUS=true)"
            )
        if self.generator == "auto" and self.generator_name == "sketch":
            raise ValueError(
                f"listening on {self.host} with neither PIXYPROXY_OPENAI_API_KEY nor "
                "PIXYPROXY_OPENAI_BASE_URL would serve sketches to others; set one, or say "
                "PIXYPROXY_GENERATOR=sketch"
            )
        return self

    @property
    def database_without_password(self) -> str:
        """The URL of the database, fit to be shown."""
        return make_url(self.database_url).render_as_string(hide_password=True)

    @property
    def images_place(self) -> str:
        """The whole path of the images' folder, or the URL of the object store."""
        return str(self.images.absolute() if isinstance(self.images, Path) else self.images)

    @property
    def provider_options(self) -> ProviderOptions:
        """What the provider is told."""
        key = self.openai_api_key
        return ProviderOptions(
            base_url=self.openai_base_url,
            api_key=key.get_secret_value() if key else None,
            default_model=self.model,
            timeout_s=self.generation_timeout_s,
            model_map=self.model_map or {},
            allow_gif=self.allow_gif,
        )

    @property
    def generator_name(self) -> Literal["openai", "sketch"]:
        """Who draws, with `auto` resolved."""
        if self.generator != "auto":
            return self.generator
        return "openai" if self.openai_api_key or self.openai_base_url else "sketch"
