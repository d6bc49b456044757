package libpod

import "encoding/hex"

// The words of made-up names: what it is like, and a knot or a ship's part, so that a name
// is easy to say and to remember.
var (
	adjectives = [...]string{
		"able", "brave", "brisk", "calm", "clear", "clever", "cosy", "crisp", "deft", "eager", "early", "fair", "fleet", "fond", "fresh", "gentle",
		"glad", "golden", "grand", "handy", "happy", "honest", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild",
		"neat", "nimble", "noble", "patient", "plain", "proud", "quick", "quiet", "rapid", "ready", "roomy", "royal", "sharp", "shiny", "silent", "simple",
		"smart", "snug", "sober", "solid", "stable", "steady", "sunny", "swift", "tidy", "true", "trusty", "vivid", "warm", "wise", "witty", "young",
	}
	nouns = [...]string{
		"anchor", "ballast", "beacon", "binnacle", "boom", "bow", "bowline", "bridge", "bulwark", "buoy", "cabin", "capstan", "cleat", "compass", "crane", "davit",
		"deck", "dinghy", "dock", "fender", "ferry", "fluke", "funnel", "galley", "gangway", "halyard", "harbour", "hatch", "hawser", "helm", "hold", "hull",
		"jetty", "jib", "keel", "lantern", "lifeboat", "lighthouse", "locker", "lugger", "mast", "mooring", "oar", "pier", "pilot", "pontoon", "port", "prow",
		"quay", "rigging", "rudder", "sail", "schooner", "sextant", "sheet", "shroud", "skiff", "sloop", "spar", "stern", "tender", "tiller", "tug", "yawl",
	}
)

// madeUpName derives a name from an id, so that the same id always has the same.
func madeUpName(id string) string {
	raw, err := hex.DecodeString(id[:min(len(id), 4)])
	if err != nil || len(raw) < 2 {
		return "ctr-" + id
	}
	return adjectives[int(raw[0])%len(adjectives)] + "_" + nouns[int(raw[1])%len(nouns)]
}
