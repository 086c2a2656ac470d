#include "pomona/cli/command.h"

int main(int argc, char** argv) { return pomona::cli::Main(argc, argv); }
