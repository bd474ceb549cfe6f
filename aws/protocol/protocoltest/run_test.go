package protocoltest

import "testing"

// TestSmithy runs the suites of smithy-lang/smithy. A malformed request with
// parameters counts once for each set of them.
func TestSmithy(t *testing.T) {
	t.Logf("smithy: %d cases of rpcv2Json are left out: no service of AWS speaks it", loadAST(t).foreign("smithy.protocols#rpcv2Json"))
	enough(t, "smithy", smithyRequests(t), smithyResponses(t), smithyMalformedRequests(t), smithyEvents(t))
}

// TestBotocore runs the suites of botocore, which are written for clients: an
// input case feeds our decoder, an output case checks our encoder.
func TestBotocore(t *testing.T) {
	enough(t, "botocore", botocoreInput(t), botocoreOutput(t))
}
