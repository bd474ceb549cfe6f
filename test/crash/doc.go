// Package crash kills a real server under load and looks for what it had
// acknowledged: the promise that a write which was answered survives kill -9.
//
// Each round starts the server on the same directory, checks everything that
// the ledger knows, drives load from many goroutines and sends SIGKILL at a
// random moment. An answered write must be there, an answered deletion must
// not come back, and the usage must count each answered call once. A call
// whose answer never came may have been carried out or not, and counted or not.
//
// TestKill runs 5 rounds, or as many as GIGAWATT_CRASH_ROUNDS says. Start
// there, then at ledger.
package crash
