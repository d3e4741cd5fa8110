package plpmtud_test

import (
	"fmt"
	"os"
	"strings"

	"pathmtu/plpmtud"
)

// A prior that was measured, and a Path that searches by it.
func ExampleOptimalFor() {
	prior, err := plpmtud.ParsePrior(strings.NewReader(`pathmtu-prior 1
1500 60
1420 39   # the tunnels of this network
uniform 1280 1499 1
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	path, err := plpmtud.New(plpmtud.Config{Overhead: 28, Search: plpmtud.OptimalFor(prior)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(path.State())
	// Output: DISABLED
}

func ExamplePrior_WriteTo() {
	prior, err := plpmtud.NewPrior(
		[]plpmtud.PriorPoint{{Size: 1500, Weight: 812}, {Size: 1492, Weight: 64}},
		[]plpmtud.PriorRange{{Lo: 1280, Hi: 1499, Weight: 10}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := prior.WriteTo(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// pathmtu-prior 1
	// 1492 64
	// 1500 812
	// uniform 1280 1499 10
}
