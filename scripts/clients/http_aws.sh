#!/usr/bin/env bash
# The AWS CLI at AWS, or at what stands in for it: see README.md, `HTTP programs`. Started by run, with the mode. Keys,
# region and address come from the environment, as the CLI reads it.

set -euo pipefail

mode=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AWS_PAGER='' AWS_MAX_ATTEMPTS=1 AWS_CONFIG_FILE=$work/config AWS_SHARED_CREDENTIALS_FILE=$work/credentials
printf '[default]\ns3 =\n  addressing_style = path\n' >"$AWS_CONFIG_FILE"

aws() { "$CACHE/python/bin/aws" "$@"; }

# What a client sees of a refusal: its code and its message.
refusal() {
    if aws "$@" >"$work/said" 2>&1; then
        echo done
    else
        sed -E 's/^An error occurred \(([0-9A-Za-z]+)\) when calling the [A-Za-z0-9]+ operation( \([^)]*\))?: /\1 /; /^$/d' "$work/said"
    fi
}

ordinary() {
    printf 'a small one' >"$work/small"
    head -c 3145728 /dev/zero | tr '\0' x >"$work/large"
    aws s3api put-object --bucket bucket --key 'a b/small' --body "$work/small" >/dev/null
    aws s3api get-object --bucket bucket --key 'a b/small' "$work/back" >/dev/null
    printf 'small %s\n' "$(cat "$work/back")"
    aws s3 cp --only-show-errors "$work/large" s3://bucket/large
    aws s3 cp --only-show-errors s3://bucket/large "$work/back"
    printf 'large %s %s\n' "$(stat -c %s "$work/back")" "$(sha256sum <"$work/back" | cut -d' ' -f1)"
    printf 'keys %s\n' "$(aws s3api list-objects-v2 --bucket bucket --query 'Contents[].Key' --output text)"
    printf 'identity %s\n' "$(aws sts get-caller-identity --query Account --output text)"
}

case $mode in
    ordinary) ordinary ;;
    destroys) refusal s3api delete-bucket --bucket bucket ;;
    # The CLI gives it a `ClientToken` of its own at each call.
    repeats) refusal ec2 run-instances --image-id ami-12c6146b --instance-type t2.micro ;;
    stray)
        export AWS_ACCESS_KEY_ID=$STRAY_ID AWS_SECRET_ACCESS_KEY=$STRAY
        refusal s3api list-objects-v2 --bucket bucket
        ;;
    *)
        printf 'error: there is no mode %s\n' "$mode" >&2
        exit 2
        ;;
esac
