"""LangChain's wrapper for images, which reads nothing but `url`."""

import json
import sys

from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

base_url, model = sys.argv[1:]
wrapper = DallEAPIWrapper(base_url=base_url, api_key="none", model=model)
print(json.dumps(wrapper.run("a red fox")))
