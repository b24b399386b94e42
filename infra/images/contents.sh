#!/usr/bin/env bash
# Whether an executable contains the migrations of the modules it was built of, and no others:
#
#     infra/images/contents.sh FEATURES EXECUTABLE
#
# FEATURES as the Dockerfile has it. Each script is looked for by the longest line that no other
# has.
set -euo pipefail
cd "$(dirname "$0")/../.."
features=$1 executable=$2 wrong=0

for script in migrations/*/*.sql; do
    module=$(basename "$(dirname "$script")")
    # What every schema has is the kernel's, which is in every executable.
    [ "$module" != common ] || continue
    line=$(grep --no-filename --invert-match --line-regexp --fixed-strings \
        --file <(find migrations -name '*.sql' ! -path "$script" -exec cat {} +) "$script" |
        awk 'length > length(longest) { longest = $0 } END { print longest }')
    [ -n "$line" ] || { echo "contents: no line of $script is its own alone" >&2; exit 1; }
    found=no expected=no
    ! grep --text --quiet --fixed-strings -e "$line" "$executable" || found=yes
    [ "$features" != all ] && [ "$features" != "$module" ] || expected=yes
    if [ $found != $expected ]; then
        echo "contents: $script in an executable of $features: $found, expected: $expected" >&2
        wrong=1
    fi
done
exit $wrong
