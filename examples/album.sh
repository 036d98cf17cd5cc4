#!/bin/sh
# Makes an album: draws each prompt, tags the images, and finds them again by the tag.
# Usage: album.sh TAG PROMPT...
set -eu

service=${PIXY_URL:-http://127.0.0.1:8000}
tag=$1
shift

call() {
  curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
    ${PIXY_KEY:+--header "X-API-Key: $PIXY_KEY"} "$@"
}
json() { python3 -c 'import json, sys; print(json.dumps(dict([sys.argv[1:3]])))' "$1" "$2"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

for prompt; do
  image=$(call "$service/image" --data "$(json prompt "$prompt")")
  guid=$(printf '%s' "$image" | field guid)
  call --request PATCH "$service/image/$guid" --data "{\"add_tags\": [\"$tag\"]}" >/dev/null
  call --output "$tag-$guid.jpg" "$service/image/$guid/content?width=160&format=jpeg"
  echo "$tag-$guid.jpg"
done

echo "images with the tag $tag:"
call --get "$service/image/search" --data-urlencode "tag=$tag" |
  python3 -c 'import json, sys
for image in json.load(sys.stdin): print(" ", image["guid"], image["prompt"])'
echo "images in all:" "$(call "$service/stats" | field image_count)"
