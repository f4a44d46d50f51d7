/**
 * What the generated shop looks like: quantiles of a real giftware retailer's nine months.
 * Made from, and changed: Chen, D. (2015). Online Retail [Dataset]. UCI Machine Learning
 * Repository. doi:10.24432/C5BW33. CC BY 4.0.
 */

/** A distribution as ascending points `[value, share of all at or below it]`; the last share is 1. */
export type Distribution = readonly (readonly [value: number, share: number])[]

/** The first product's share of all order lines, then by rank; between two ranks it is straight. */
export const LINE_SHARES_BY_RANK = [
  [1, 0.0067],
  [2, 0.0064],
  [3, 0.0061],
  [5, 0.0044],
  [10, 0.0031],
  [20, 0.0026],
  [50, 0.0019],
  [100, 0.00144],
  [200, 0.00099],
  [352, 0.00074],
  [500, 0.00056],
  [1_000, 0.00032],
  [1_500, 0.00019],
  [2_000, 0.0001],
  [2_500, 0.00005],
  [3_000, 0.000016],
  [3_522, 0.000003],
] as const

/** Prices of the catalog, in minor units. */
export const PRICES: Distribution = [
  [19, 0],
  [42, 0.12],
  [85, 0.28],
  [125, 0.34],
  [165, 0.42],
  [195, 0.5],
  [255, 0.6],
  [336, 0.7],
  [425, 0.8],
  [595, 0.86],
  [795, 0.9],
  [995, 0.95],
  [1_495, 0.98],
  [3_995, 1],
]

/** Orders of a trading day. */
export const ORDERS_A_DAY: Distribution = [
  [10, 0],
  [32, 0.1],
  [44, 0.25],
  [56, 0.5],
  [67, 0.75],
  [80, 0.9],
  [99, 0.97],
  [141, 1],
]

/** Hour of the day (UTC) in which an order is placed, as the hour's end. */
export const HOURS: Distribution = [
  [6, 0],
  [7, 0.001],
  [8, 0.019],
  [9, 0.072],
  [10, 0.178],
  [11, 0.301],
  [12, 0.446],
  [13, 0.591],
  [14, 0.714],
  [15, 0.835],
  [16, 0.922],
  [17, 0.968],
  [18, 0.986],
  [20, 1],
]

/** Lines of an order by a known customer. */
export const CUSTOMER_LINES: Distribution = [
  [0, 0],
  [1, 0.0754],
  [2, 0.1143],
  [3, 0.1508],
  [5, 0.2252],
  [8, 0.3225],
  [11, 0.4172],
  [15, 0.5266],
  [20, 0.6559],
  [25, 0.7427],
  [30, 0.8092],
  [40, 0.88],
  [50, 0.9258],
  [60, 0.9537],
  [80, 0.9805],
  [100, 0.9918],
  [150, 0.9981],
  [300, 1],
]

/** Lines of a guest's order: many are the day's counter sales under one number. */
export const GUEST_LINES: Distribution = [
  [0, 0],
  [1, 0.139],
  [2, 0.2029],
  [5, 0.2829],
  [11, 0.3524],
  [20, 0.4057],
  [30, 0.4543],
  [40, 0.5229],
  [50, 0.5952],
  [60, 0.6495],
  [100, 0.721],
  [150, 0.7857],
  [200, 0.8848],
  [300, 0.9419],
  [520, 0.9876],
  [704, 1],
]

const VALUE_SHARES = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1] as const

/** The line value that an order aims at, in minor units, by who buys and how many lines at most. */
export const LINE_VALUES: readonly {
  readonly buyer: 'guest' | 'home' | 'abroad'
  readonly linesMax: number
  readonly values: Distribution
}[] = [
  lineValues('guest', 15, [125, 165, 255, 458, 795, 1_695, 4_991, 20_930]),
  lineValues('guest', 60, [200, 504, 759, 890, 1_050, 1_464, 2_922, 4_811]),
  lineValues('guest', 999, [560, 610, 692, 796, 1_040, 2_428, 5_163, 9_866]),
  lineValues('home', 1, [125, 850, 1_740, 7_020, 20_880, 43_200, 129_540, 309_600]),
  lineValues('home', 5, [121, 1_290, 2_023, 4_134, 9_200, 15_000, 47_040, 153_893]),
  lineValues('home', 15, [122, 1_136, 1_601, 2_106, 2_850, 4_700, 16_493, 57_562]),
  lineValues('home', 30, [126, 645, 1_078, 1_652, 1_930, 2_300, 6_931, 14_158]),
  lineValues('home', 60, [187, 396, 556, 900, 1_500, 2_235, 5_356, 9_902]),
  lineValues('home', 999, [210, 344, 437, 620, 950, 1_700, 3_106, 8_113]),
  lineValues('abroad', 5, [200, 1_515, 2_025, 4_050, 8_592, 21_240, 99_840, 379_440]),
  lineValues('abroad', 15, [122, 1_439, 1_678, 2_068, 3_188, 6_733, 17_847, 27_871]),
  lineValues('abroad', 60, [123, 1_453, 1_651, 1_966, 2_500, 4_300, 15_682, 23_400]),
  lineValues('abroad', 999, [292, 1_022, 1_608, 2_097, 4_616, 16_093, 20_399, 22_557]),
]

/** How one line's value stands to the line value of its order. */
export const LINE_SPREAD: Distribution = [
  [0.05, 0],
  [0.31, 0.1],
  [0.53, 0.25],
  [0.84, 0.5],
  [1.2, 0.75],
  [1.8, 0.9],
  [3.28, 0.98],
  [5.14, 1],
]

/** Where orders go: the source's name, ISO 3166-1 alpha-2 or null, and how many of its orders. */
export const COUNTRIES = [
  ['United Kingdom', 'GB', 11_266],
  ['Germany', 'DE', 265],
  ['France', 'FR', 223],
  ['EIRE', 'IE', 162],
  ['Belgium', 'BE', 65],
  ['Spain', 'ES', 57],
  ['Netherlands', 'NL', 55],
  ['Australia', 'AU', 38],
  ['Switzerland', 'CH', 33],
  ['Portugal', 'PT', 26],
  ['Sweden', 'SE', 23],
  ['Italy', 'IT', 19],
  ['Finland', 'FI', 19],
  ['Poland', 'PL', 15],
  ['Japan', 'JP', 14],
  ['Channel Islands', null, 14],
  ['Norway', 'NO', 13],
  ['Austria', 'AT', 13],
  ['Unspecified', null, 10],
  ['Denmark', 'DK', 9],
  ['Cyprus', 'CY', 8],
  ['Iceland', 'IS', 5],
  ['Israel', 'IL', 5],
  ['Hong Kong', 'HK', 5],
  ['Canada', 'CA', 5],
  ['Lithuania', 'LT', 4],
  ['Greece', 'GR', 4],
  ['Malta', 'MT', 4],
  ['Bahrain', 'BH', 3],
  ['Singapore', 'SG', 3],
  ['European Community', null, 3],
  ['Lebanon', 'LB', 1],
  ['United Arab Emirates', 'AE', 1],
  ['Saudi Arabia', 'SA', 1],
  ['Czech Republic', 'CZ', 1],
  ['Brazil', 'BR', 1],
  ['USA', 'US', 1],
] as const

/** The value below which a share `at` (0 to 1) of the distribution lies; straight between points. */
export function quantile(distribution: Distribution, at: number): number {
  let [low, lowShare] = distribution[0] ?? [0, 0]
  for (const [value, share] of distribution) {
    if (at < share) return low + ((value - low) * (at - lowShare)) / (share - lowShare)
    low = value
    lowShare = share
  }
  return low
}

function lineValues(
  buyer: 'guest' | 'home' | 'abroad',
  linesMax: number,
  values: readonly number[],
): { buyer: 'guest' | 'home' | 'abroad'; linesMax: number; values: Distribution } {
  return {
    buyer,
    linesMax,
    values: values.map((value, index) => [value, VALUE_SHARES[index] ?? 1]),
  }
}
