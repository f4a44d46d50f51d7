import { expect, test } from 'vitest'
import { isPublicAddress, isRefusedLiteral, mayCall, PRIVATE_NETWORKS } from './address-policy.ts'
import { urlFault } from './address-rule.ts'

/** First and last address of each block that is no public endpoint, with its name at IANA. */
const SPECIAL: readonly (readonly [block: string, first: string, last: string])[] = [
  ['0.0.0.0/8 this network', '0.0.0.0', '0.255.255.255'],
  ['10.0.0.0/8 private', '10.0.0.0', '10.255.255.255'],
  ['100.64.0.0/10 shared', '100.64.0.0', '100.127.255.255'],
  ['127.0.0.0/8 loopback', '127.0.0.0', '127.255.255.255'],
  ['169.254.0.0/16 link local', '169.254.0.0', '169.254.255.255'],
  ['172.16.0.0/12 private', '172.16.0.0', '172.31.255.255'],
  ['192.0.0.0/24 protocol assignments', '192.0.0.0', '192.0.0.255'],
  ['192.0.2.0/24 documentation', '192.0.2.0', '192.0.2.255'],
  ['192.168.0.0/16 private', '192.168.0.0', '192.168.255.255'],
  ['198.18.0.0/15 benchmarking', '198.18.0.0', '198.19.255.255'],
  ['198.51.100.0/24 documentation', '198.51.100.0', '198.51.100.255'],
  ['203.0.113.0/24 documentation', '203.0.113.0', '203.0.113.255'],
  ['224.0.0.0/4 multicast', '224.0.0.0', '239.255.255.255'],
  ['240.0.0.0/4 reserved', '240.0.0.0', '255.255.255.255'],
  ['::/128 unspecified', '::', '::'],
  ['::1/128 loopback', '::1', '::1'],
  ['::/96 IPv4-compatible', '::0.0.0.2', '::255.255.255.255'],
  ['::ffff:0:0/96 IPv4-mapped', '::ffff:0.0.0.0', '::ffff:255.255.255.255'],
  ['::ffff:0:0:0/96 IPv4-translated', '::ffff:0:127.0.0.1', '::ffff:0:255.255.255.255'],
  ['0100::/8 below global unicast', '100::', '1ff:ffff::'],
  ['100::/64 discard-only', '100::', '100::ffff:ffff:ffff:ffff'],
  ['64:ff9b::/96 NAT64', '64:ff9b::7f00:1', '64:ff9b::ffff:ffff'],
  ['64:ff9b:1::/48 local NAT64', '64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
  ['below 2000::/3', '200::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001::/32 Teredo', '2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:1::/32 anycast protocols', '2001:1::1', '2001:1::3'],
  ['2001:2::/48 benchmarking', '2001:2::', '2001:2:0:ffff:ffff:ffff:ffff:ffff'],
  ['2001:3::/32 AMT', '2001:3::', '2001:3:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:4:112::/48 AS112', '2001:4:112::', '2001:4:112:ffff:ffff:ffff:ffff:ffff'],
  ['2001:10::/28 ORCHID', '2001:10::', '2001:1f:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:20::/28 ORCHIDv2', '2001:20::', '2001:2f:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:30::/28 drone ids', '2001:30::', '2001:3f:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001::/23 to its end', '2001:40::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:db8::/32 documentation', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2002::/16 6to4', '2002:7f00:1::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2620:4f:8000::/48 AS112', '2620:4f:8000::', '2620:4f:8000:ffff:ffff:ffff:ffff:ffff'],
  ['3ffe::/16 6bone', '3ffe::', '3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['3fff::/20 documentation', '3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['above 2000::/3', '4000::', '5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['5f00::/16 segment routing', '5f00::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['6000::/3 and on', '6000::', 'fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fc00::/7 unique local', 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fe80::/10 link local', 'fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fec0::/10 site local', 'fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['ff00::/8 multicast', 'ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
]

const urlOf = (address: string): URL =>
  new URL(`https://${address.includes(':') ? `[${address}]` : address}/`)

test.each(SPECIAL)('%s is not called, at neither end', (_, first, last) => {
  for (const address of [first, last]) {
    expect(isPublicAddress(address)).toBe(false)
    expect(mayCall(address, [])).toBe(false)
    const url = urlOf(address)
    expect(isRefusedLiteral(url.hostname)).toBe(true)
    expect(urlFault(url, [])).toContain('public internet')
  }
})

// The neighbor on either side of a block: the guard cuts at its edge and not a block more.
test.each([
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '172.32.0.0',
  '192.0.1.0',
  '223.255.255.255',
  '2001:200::',
  '2001:db7:ffff::1',
  '2001:db9::',
  '2001:4860:4860::8888',
  '2003::1',
  '2606:4700:4700::1111',
  '2620:4f:7fff:ffff::1',
  '2620:4f:8001::',
  '2a00:1450:4001::1',
  '3ffd:ffff::1',
  '3fff:1000::',
])('%s may be called', (address) => {
  expect(isPublicAddress(address)).toBe(true)
  expect(urlFault(urlOf(address), [])).toBeUndefined()
})

test('an allow-list opens what it names, and no IPv4 address in another form', () => {
  expect(mayCall('127.0.0.1', PRIVATE_NETWORKS)).toBe(true)
  expect(mayCall('::1', PRIVATE_NETWORKS)).toBe(true)
  expect(mayCall('fd12::1', PRIVATE_NETWORKS)).toBe(true)
  const dressed = ['::127.0.0.1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::']
  expect(dressed.filter((one) => mayCall(one, PRIVATE_NETWORKS))).toEqual([])
})
