#!/usr/bin/env python3
"""The two steps that exact PCA cannot do without, bare: cblas_dsyrk and one eigen-decomposition.

    dsyrk.py PARTS THREADS

Reads the column `features` of the Parquet files in the folder PARTS into one fp64 matrix in memory,
unmeasured. Then times, with the OpenBLAS that Pomona links: (1) cblas_dsyrk over all rows, not
centred, each of THREADS threads its share of the rows, and the sum of their matrices; (2)
LAPACKE_dsyevd of the result, all eigenvalues and eigenvectors, on one thread. Prints the seconds of
both as JSON.
"""

import ctypes
import json
import pathlib
import sys
import threading
import time

import numpy
import pyarrow.parquet

ROW_MAJOR, COLUMN_MAJOR, UPPER, TRANSPOSE = 101, 102, 121, 112

blas = ctypes.CDLL("libopenblas.so.0")
lapacke = ctypes.CDLL("liblapacke.so.3")
pointer = ctypes.POINTER(ctypes.c_double)


def at(array):
    return array.ctypes.data_as(pointer)


def syrk(rows, product):
    count, d = rows.shape
    blas.cblas_dsyrk(ROW_MAJOR, UPPER, TRANSPOSE, d, count, ctypes.c_double(1), at(rows), d,
                     ctypes.c_double(0), at(product), d)


def load(folder):
    files = [pyarrow.parquet.ParquetFile(file) for file in pathlib.Path(folder).glob("*.parquet")]
    rows = None
    done = 0
    for file in files:
        column = file.read(columns=["features"])["features"].combine_chunks()
        values = column.flatten().to_numpy().reshape(len(column), -1)
        if rows is None:
            rows = numpy.empty((sum(f.metadata.num_rows for f in files), values.shape[1]))
        rows[done:done + len(values)] = values
        done += len(values)
    return rows


def main():
    rows, threads = load(sys.argv[1]), int(sys.argv[2])
    d = rows.shape[1]
    products = numpy.empty((threads, d, d))
    products.fill(1)  # so that its pages are there
    shares = numpy.array_split(rows, threads)

    blas.openblas_set_num_threads(1)  # for each of the threads here
    start = time.perf_counter()
    workers = [threading.Thread(target=syrk, args=pair) for pair in zip(shares, products)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for product in products[1:]:
        products[0] += product
    multiplied = time.perf_counter()
    values = numpy.empty(d)
    info = lapacke.LAPACKE_dsyevd(COLUMN_MAJOR, ctypes.c_char(b"V"), ctypes.c_char(b"L"), d, at(products[0]), d, at(values))
    decomposed = time.perf_counter()
    if info != 0:
        raise SystemExit(f"dsyevd: {info}")
    print(json.dumps({"dsyrk": multiplied - start, "dsyevd": decomposed - multiplied}))


if __name__ == "__main__":
    main()
