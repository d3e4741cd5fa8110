package netlab

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCatalogIsValidAndConnected(t *testing.T) {
	seen := map[string]bool{}
	for _, topology := range Catalog() {
		t.Run(topology.Name, func(t *testing.T) {
			require.NoError(t, topology.Validate())
			assert.False(t, seen[topology.Name], "name used twice")
			seen[topology.Name] = true
			assert.NotEmpty(t, topology.About)
			found, ok := FindTopology(topology.Name)
			assert.True(t, ok)
			assert.Equal(t, topology.Name, found.Name)
			for _, family := range []int{4, 6} {
				cli, ok := topology.Addr("cli", family)
				require.True(t, ok)
				srv, ok := topology.Addr("srv", family)
				require.True(t, ok)
				_, err := topology.Walk("cli", srv)
				assert.NoError(t, err)
				_, err = topology.Walk("srv", cli)
				assert.NoError(t, err)
			}
		})
	}
	_, ok := FindTopology("no-such")
	assert.False(t, ok)
}

func TestWalkOfTheCatalog(t *testing.T) {
	for _, c := range []struct {
		name                string
		there, back, firsts int
	}{
		{"plain", 1500, 1500, 1500},
		{"jumbo-edge", 1500, 1500, 9000},
		{"staircase", 1280, 1280, 9000},
		{"unequal-ends", 1504, 1500, 9000},
		{"size-loss", 1500, 1500, 1500}, // not a black hole: what is lost is lost by chance
		{"half-silent", 1420, 1420, 9000},
		{"asymmetric", 1500, 1400, 1500},
		{"satellite", 1400, 1400, 1500},
	} {
		topology, ok := FindTopology(c.name)
		require.True(t, ok, c.name)
		for _, family := range []int{4, 6} {
			cli, _ := topology.Addr("cli", family)
			srv, _ := topology.Addr("srv", family)
			there, err := topology.Walk("cli", srv)
			require.NoError(t, err)
			back, err := topology.Walk("srv", cli)
			require.NoError(t, err)
			assert.Equal(t, c.there, there.MTU(), "%s there", c.name)
			assert.Equal(t, c.back, back.MTU(), "%s back", c.name)
			assert.Equal(t, c.firsts, there.FirstHop(), "%s first hop", c.name)
		}
	}
}

// The walk of any chain is its smallest link, both ways, both families.
func TestWalkOfAnyChain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mtus := rapid.SliceOfN(rapid.IntRange(1280, 9000), 1, 64).Draw(t, "mtus")
		topology := Chain("any", PTB{}, mtus...)
		if err := topology.Validate(); err != nil {
			t.Fatal(err)
		}
		least := mtus[0]
		for _, m := range mtus {
			least = min(least, m)
		}
		for _, family := range []int{4, 6} {
			srv, _ := topology.Addr("srv", family)
			walk, err := topology.Walk("cli", srv)
			if err != nil {
				t.Fatal(err)
			}
			if len(walk) != len(mtus) || walk.MTU() != least || walk.FirstHop() != mtus[0] {
				t.Fatalf("walk %v of %v", walk, mtus)
			}
			cli, _ := topology.Addr("cli", family)
			if back, err := topology.Walk("srv", cli); err != nil || back.MTU() != least {
				t.Fatalf("back %v %v of %v", back, err, mtus)
			}
		}
	})
}

func TestWalkErrors(t *testing.T) {
	topology := Path(1500, 1500, PTB{})
	_, err := topology.Walk("nobody", netip.MustParseAddr("192.0.2.1"))
	assert.ErrorContains(t, err, `unknown node "nobody"`)
	_, err = topology.Walk("cli", netip.MustParseAddr("192.0.2.1"))
	assert.ErrorContains(t, err, `"cli" has no route to 192.0.2.1`)
	topology.Routes = append(topology.Routes,
		Route{Node: "cli", Dst: netip.MustParsePrefix("192.0.2.0/24"), Via: netip.MustParseAddr("198.51.100.2")},
		Route{Node: "r1", Dst: netip.MustParsePrefix("192.0.2.0/24"), Via: netip.MustParseAddr("198.51.100.6")},
		Route{Node: "r2", Dst: netip.MustParsePrefix("192.0.2.0/24"), Via: netip.MustParseAddr("198.51.100.5")})
	require.NoError(t, topology.Validate())
	_, err = topology.Walk("cli", netip.MustParseAddr("192.0.2.1"))
	assert.ErrorContains(t, err, "loop")
	topology.Nodes[1].Kind = Host
	srv, _ := topology.Addr("srv", 4)
	_, err = topology.Walk("cli", srv)
	assert.ErrorContains(t, err, `host "r1" would have to forward`)
}

func TestValidateNamesFieldAndValue(t *testing.T) {
	for _, c := range []struct {
		want string
		bend func(*Topology)
	}{
		{"name must be", func(t *Topology) { t.Name = "a/b" }},
		{"name must be", func(t *Topology) { t.Name = "-a" }},
		{`node "toolongname"`, func(t *Topology) { t.Nodes[0].Name = "toolongname" }},
		{`node "cli": defined twice`, func(t *Topology) { t.Nodes[1].Name = "cli" }},
		{"PTB.MTU 65536 is not in 0..65535", func(t *Topology) { t.Nodes[1].PTB = PTB{Mode: PTBLying, MTU: 65536} }},
		{"PTB.MTU 1300 without PTBLying", func(t *Topology) { t.Nodes[1].PTB = PTB{MTU: 1300} }},
		{`both ends at node "cli"`, func(t *Topology) { t.Links[0].B.Node = "cli" }},
		{"MTU 67 of node", func(t *Topology) { t.Links[0].A.MTU = 67 }},
		{"MTU 1279 of node \"cli\" is too small for IPv6", func(t *Topology) { t.Links[0].A.MTU = 1279 }},
		{"MTU 65536 of node", func(t *Topology) { t.Links[0].A.MTU = 65536 }},
		{"is at node", func(t *Topology) { t.Links[1].A.Addrs = t.Links[0].A.Addrs }},
		{"give Percent or Every", func(t *Topology) { t.Links[0].A.Loss = []Loss{{Above: 3}} }},
		{"give Percent or Every", func(t *Topology) { t.Links[0].A.Loss = []Loss{{Percent: 3, Every: 2}} }},
		{"out of range", func(t *Topology) { t.Links[0].A.Loss = []Loss{{Percent: 101}} }},
		{"probability 2 is not in 0..1", func(t *Topology) { t.Links[0].Delay = &Delay{Loss: 2} }},
		{"negative OneWay", func(t *Topology) { t.Links[0].Delay = &Delay{OneWay: -1} }},
		{"is not a network", func(t *Topology) { t.Routes[0].Dst = netip.MustParsePrefix("192.0.2.1/24") }},
		{"is on no link of node", func(t *Topology) { t.Routes[0].Via = netip.MustParseAddr("192.0.2.1") }},
		{`route 0: unknown node "x"`, func(t *Topology) { t.Routes[0].Node = "x" }},
	} {
		topology := Path(1500, 1500, PTB{})
		require.NoError(t, topology.Validate())
		c.bend(&topology)
		assert.ErrorContains(t, topology.Validate(), c.want)
	}
}

func TestDraw(t *testing.T) {
	assert.Equal(t, ""+
		"cli --9000-- r1 --1420-- r2 --9000-- srv\n"+
		"             `PTB filtered\n", Path(9000, 1420, PTB{Mode: PTBFiltered}).Draw())
	for _, topology := range Catalog() {
		picture := topology.Draw()
		for _, n := range topology.Nodes {
			assert.Contains(t, picture, n.Name, topology.Name)
		}
		assert.True(t, strings.HasSuffix(picture, "\n"))
		t.Logf("%s: %s\n%s", topology.Name, topology.About, picture)
	}
}

func TestStrings(t *testing.T) {
	assert.Equal(t, "host router BUG", Host.String()+" "+Router.String()+" "+Kind(9).String())
	assert.Equal(t, "delivered filtered lying BUG",
		PTBDelivered.String()+" "+PTBFiltered.String()+" "+PTBLying.String()+" "+PTBMode(9).String())
	assert.Equal(t, "says 0", PTB{Mode: PTBLying}.String())
	assert.Equal(t, "30%>1400", Loss{Percent: 30, Above: 1400}.String())
	assert.Equal(t, "1/3", Loss{Every: 3}.String())
}
