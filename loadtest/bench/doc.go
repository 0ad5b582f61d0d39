// Package bench measures how fast rules run over events, in one process and
// with no broker. It owns the built-in suites, the measured loop and the
// comparison with the oracle, without which no figure counts; it refuses to
// interpret figures. `caltrop bench` calls it.
package bench
