// OpenBLAS as this room uses it. Not a public header.
#pragma once

namespace pomona::reduce {

// Makes every BLAS call of the process run on the thread that makes it: parallelism is over parts,
// and a sum's order must not depend on a machine's cores. Builds of OpenBLAS without threads, and
// every call but the first, do nothing.
void UseOneBlasThread();

}  // namespace pomona::reduce
