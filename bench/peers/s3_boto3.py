#!/usr/bin/env python3
"""Reads every object of a bucket into memory with boto3: s3_boto3.py BUCKET THREADS

Prints the seconds from listing to the last byte, and the images.
"""

import concurrent.futures
import sys
import time

import boto3
import botocore.config

bucket, threads = sys.argv[1], int(sys.argv[2])
client = boto3.client("s3", config=botocore.config.Config(max_pool_connections=threads))


def read(key):
    return len(client.get_object(Bucket=bucket, Key=key)["Body"].read())


start = time.perf_counter()
pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
with concurrent.futures.ThreadPoolExecutor(threads) as pool:
    sizes = list(pool.map(read, keys))
print(time.perf_counter() - start, len(sizes), sum(sizes))
