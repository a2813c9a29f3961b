"""The client of Mistral's own service: OpenAI's chat completions, but for a few names.

It follows the API reference, "Chat Completion" (https://docs.mistral.ai/api/endpoint/chat), as of November 2026:
the seed is `random_seed`, an image is a plain string, usage comes without being asked for, and a reasoning model
sends its content in parts, of which those of type `thinking` are the reasoning.
"""

import msgspec

from arena.backend import Image, Prompt
from arena.providers import openai
from arena.providers.openai import ImagePart, OpenAIClient, Way


class Request(openai.Request, frozen=True, omit_defaults=True, kw_only=True):
    random_seed: int | None = None


class MistralClient(OpenAIClient):
    """Mistral's service and its models."""

    request_id_headers = ("x-request-id", "mistral-correlation-id", "x-kong-request-id")

    def _request(self, prompt: Prompt, way: Way | None = None) -> Request:
        fields = msgspec.structs.asdict(super()._request(prompt, way))
        return Request(**fields | {"seed": None, "random_seed": fields["seed"], "stream_options": None})

    def _image(self, image: Image) -> ImagePart:
        return ImagePart(image.data_url)
