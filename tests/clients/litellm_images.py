"""LiteLLM's client, for a model of OpenAI's and for one that it does not know."""

import json
import sys

import litellm

base_url, model = sys.argv[1:]
try:
    answer = litellm.image_generation(
        model=f"openai/{model}", prompt="a red fox", api_base=base_url, api_key="none", n=1
    )
except Exception as error:
    told = {"error": type(error).__name__, "status": getattr(error, "status_code", None)}
    print(json.dumps({**told, "message": str(error)}))
else:
    items = [item if isinstance(item, dict) else item.model_dump() for item in answer.data]
    print(json.dumps({"created": answer.created, "data": items}))
