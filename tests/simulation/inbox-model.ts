import type { Random } from '#kernel/index.ts'
import { shipmentEffect } from '#fulfillment/ship/inbound-lattice.ts'
import type { Shipment, Truth } from './partner-model.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What we know of the goods of one fulfillment order, as `recordShipments` keeps it. */
type Order = {
  state: 'sealed' | 'accepted' | 'shipped' | 'recalled'
  units: number
  isSuspected: boolean
  readonly told: Set<string>
}

/** Partners' shipment events on their way to us, and the inbound lattice that judges them. */
export type InboxModel = {
  /** A sealed order, of which parcels may come. */
  readonly expect: (shipment: Shipment) => void
  readonly accept: (shipment: Shipment) => void
  /** The goods left: one parcel or two, told of later, in any order, sometimes more than once. */
  readonly ship: (shipment: Shipment, truth: Truth) => void
  /** True where a parcel told us that all of it left. */
  readonly hasLeft: (shipment: Shipment) => boolean
  /** It was given back to stock: nothing of it may leave any more. */
  readonly takeBack: (shipment: Shipment) => void
  /** Drops what is judged; true where the lattice called it a suspected double ship. */
  readonly forget: (shipment: Shipment) => boolean
}

const LINE = '1 SKU'
const UNITS = 2
const TELL_MAX_MS = 24 * 3_600_000
const AGAIN_RATE = 0.1

/** An inbox that is empty. */
export function inboxModel(world: {
  readonly time: VirtualTime
  readonly random: Random
}): InboxModel {
  const { time, random } = world
  const orders = new Map<string, Order>()
  const tell = (key: string, truth: Truth, parcel: string, units: number): void => {
    truth.untold -= 1
    const order = orders.get(key)
    // A parcel counts once by the partner's own name for it.
    if (!order || order.told.has(parcel)) return
    order.told.add(parcel)
    order.units += units
    const effect = shipmentEffect({
      state: order.state,
      isClaimed: order.state !== 'recalled',
      ordered: new Map([[LINE, UNITS]]),
      shipped: new Map([[LINE, order.units]]),
      hasUnitTwice: false,
      isListed: true,
    })
    if (effect.kind === 'ship') order.state = 'shipped'
    if (effect.kind === 'suspect') order.isSuspected = true
  }
  return {
    expect: ({ key }) =>
      void orders.set(key, { state: 'sealed', units: 0, isSuspected: false, told: new Set() }),
    accept: ({ key }) => {
      const order = orders.get(key)
      if (order?.state === 'sealed') order.state = 'accepted'
    },
    hasLeft: ({ key }) => orders.get(key)?.state === 'shipped',
    takeBack: ({ key }) => {
      const order = orders.get(key)
      if (order) order.state = 'recalled'
    },
    ship: ({ key }, truth) => {
      const parts = random() < 0.3 ? [1, UNITS - 1] : [UNITS]
      for (const [index, units] of parts.entries()) {
        const parcel = `${truth.effects}.${index}`
        const times = random() < AGAIN_RATE ? 2 : 1
        for (let sent = 0; sent < times; sent += 1) {
          truth.untold += 1
          time.after(random() * TELL_MAX_MS, () => tell(key, truth, parcel, units))
        }
      }
    },
    forget: ({ key }) => {
      const isSuspected = orders.get(key)?.isSuspected === true
      orders.delete(key)
      return isSuspected
    },
  }
}
