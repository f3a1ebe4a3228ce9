// Package e2e tests the program as its users meet it: the real binary, in real processes, over real
// connections, called with curl, grpcurl, buf and plain net/http.
//
// It imports nothing of the store but internal/testkit/proc, which starts the processes.
//
// Servers listen on ports that the system chooses. The exception is the README, whose lines are run to the
// letter and need ports 8888 and 50051.
package e2e
