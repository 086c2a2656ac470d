// OpenBLAS as this room uses it.
#pragma once

namespace pomona::reduce {

// Makes every BLAS call of the process run on the thread that makes it: parallelism is over parts,
// and a sum's order must not depend on a machine's cores. Every call but the first does nothing.
//
// Throws std::runtime_error if this OpenBLAS is not the one with threads of its own. The one
// without has no locks either: two threads that multiply at the same time may get the same buffer,
// and then wrong numbers. The one with OpenMP is told how many to use by each thread that calls it.
void UseOneBlasThread();

// OpenBLAS starts a thread for each other CPU when it is loaded, and these wait for work by
// yielding for a while: ends them. Only for a program that begins: in a process with others, such
// as a Python session, somebody may be multiplying with them.
void EndIdleBlasThreads();

}  // namespace pomona::reduce
