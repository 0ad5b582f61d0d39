package fraudgen

import "math"

// A city is where people live and shops stand.
type city struct {
	country  string
	lat, lon float64
}

// cityCount is the number of cities.
const cityCount = 30

// cities lie on five continents, so that two of them are usually more than a
// flight apart.
func cities() [cityCount]city {
	return [cityCount]city{
		{"DE", 52.52, 13.40}, {"DE", 48.14, 11.58}, {"FR", 48.86, 2.35}, {"FR", 43.30, 5.37}, {"ES", 40.42, -3.70},
		{"IT", 41.90, 12.50}, {"PL", 52.23, 21.01}, {"SE", 59.33, 18.07}, {"GB", 51.51, -0.13}, {"GB", 55.95, -3.19},
		{"PT", 38.72, -9.14}, {"AT", 48.21, 16.37}, {"US", 40.71, -74.01}, {"US", 34.05, -118.24}, {"US", 41.88, -87.63},
		{"CA", 43.65, -79.38}, {"BR", -23.55, -46.63}, {"AR", -34.60, -58.38}, {"MX", 19.43, -99.13}, {"ZA", -33.92, 18.42},
		{"NG", 6.52, 3.38}, {"EG", 30.04, 31.24}, {"KE", -1.29, 36.82}, {"IN", 19.08, 72.88}, {"IN", 28.61, 77.21},
		{"JP", 35.68, 139.69}, {"SG", 1.35, 103.82}, {"TH", 13.76, 100.50}, {"AU", -33.87, 151.21}, {"NZ", -36.85, 174.76},
	}
}

const earthKm = 6371.0

// km is the great-circle distance of two cities (haversine).
func km(a, b city) float64 {
	rad := math.Pi / 180
	dLat, dLon := (b.lat-a.lat)*rad, (b.lon-a.lon)*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.lat*rad)*math.Cos(b.lat*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earthKm * math.Asin(math.Sqrt(h))
}

// A person is derived from their number alone, so a population of any size
// takes no memory.
type person struct {
	home   int   // city
	cents  int64 // a usual purchase
	wakes  int   // hour of the day, UTC
	device uint64
	shops  uint64 // seed of the shops they go to
}

// favourites is the number of shops a person goes to, out of merchants.
const (
	favourites = 8
	merchants  = 5_000
	awakeHours = 16
)

func personOf(seed, number uint64) person {
	h := mix(seed ^ mix(number+1))
	return person{
		home:   int(h % cityCount),
		cents:  500 + int64(h>>8%7500),
		wakes:  int(h >> 24 % 24),
		device: h >> 32 % 10_000_000,
		shops:  mix(h),
	}
}

// shop returns one of a person's usual merchants.
func (p *person) shop(pick uint64) uint32 {
	return uint32(mix(p.shops+pick%favourites) % merchants)
}

// awake reports whether a person is up at a time in ms.
func (p *person) awake(ms int64) bool {
	hour := int(ms / 3_600_000 % 24)
	return (hour-p.wakes+24)%24 < awakeHours
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A zipf draws ranks from 0 to n-1, rank r about as often as (r+1)^-s, by
// inverting the continuous distribution.
type zipf struct {
	n, s float64
}

func (z zipf) rank(u float64) uint64 {
	if z.s <= 0 {
		return uint64(u * z.n)
	}
	var x float64
	if e := 1 - z.s; math.Abs(e) < 1e-9 {
		x = math.Pow(z.n+1, u)
	} else {
		x = math.Pow((math.Pow(z.n+1, e)-1)*u+1, 1/e)
	}
	return min(uint64(x)-1, uint64(z.n)-1)
}

// share is about how often rank r is drawn.
func (z zipf) share(r float64) float64 {
	if z.s <= 0 {
		return 1 / z.n
	}
	return (z.mass(r+2) - z.mass(r+1)) / z.mass(z.n+1)
}

func (z zipf) mass(x float64) float64 {
	if e := 1 - z.s; math.Abs(e) >= 1e-9 {
		return (math.Pow(x, e) - 1) / e
	}
	return math.Log(x)
}

// busier returns how many ranks are drawn more often than share.
func (z zipf) busier(share float64) uint64 {
	lo, hi := uint64(0), uint64(z.n)
	for lo < hi {
		if mid := (lo + hi) / 2; z.share(float64(mid)) > share {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
