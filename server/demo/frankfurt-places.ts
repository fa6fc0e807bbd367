/**
 * Parking bays of the demo city: squares, stations and streets that every resident knows.
 * PROVENANCE.md says where the coordinates come from and how exact they are.
 */

/** [id, name, latitude, longitude, spaces, chargers]; bays with chargers take cars and vans too. */
export const bayPlaces = [
  ['hauptbahnhof', 'Hauptbahnhof, Bahnhofsvorplatz', 50.107, 8.6652, 30, 0],
  ['hauptbahnhof-sued', 'Hauptbahnhof Südseite, Mannheimer Straße', 50.1052, 8.6632, 12, 10],
  ['konstablerwache', 'Konstablerwache', 50.1149, 8.6873, 24, 0],
  ['hauptwache', 'Hauptwache, Biebergasse', 50.1143, 8.6774, 20, 0],
  ['boerse', 'Börsenplatz, Parkhaus Börse', 50.1153, 8.6781, 10, 8],
  ['willy-brandt-platz', 'Willy-Brandt-Platz', 50.1087, 8.6735, 20, 0],
  ['paulsplatz', 'Römer, Berliner Straße am Paulsplatz', 50.1117, 8.6806, 18, 0],
  ['dom', 'Dom, Braubachstraße', 50.1117, 8.6844, 14, 0],
  ['alte-oper', 'Alte Oper, Opernplatz', 50.1156, 8.6715, 20, 8],
  ['taunusanlage', 'Taunusanlage', 50.1132, 8.6687, 16, 0],
  ['eschenheimer-tor', 'Eschenheimer Tor', 50.1167, 8.6797, 16, 0],
  ['zoo', 'Zoo, Alfred-Brehm-Platz', 50.1153, 8.6985, 16, 0],
  ['ostend-ezb', 'Europäische Zentralbank, Sonnemannstraße', 50.1105, 8.7022, 16, 8],
  ['ostbahnhof', 'Ostbahnhof, Danziger Platz', 50.1133, 8.7084, 16, 8],
  ['hanauer-landstrasse', 'Hanauer Landstraße, Schwedlerstraße', 50.1145, 8.7185, 14, 8],
  ['eissporthalle', 'Eissporthalle, Am Bornheimer Hang', 50.1242, 8.7218, 16, 10],
  ['bornheim-mitte', 'Bornheim Mitte', 50.1275, 8.7087, 20, 0],
  ['merianplatz', 'Merianplatz', 50.1218, 8.6962, 16, 0],
  ['hoehenstrasse', 'Höhenstraße', 50.1243, 8.7025, 14, 0],
  ['friedberger-platz', 'Friedberger Platz', 50.1228, 8.6903, 14, 0],
  ['friedberger-warte', 'Friedberger Warte', 50.1388, 8.6975, 12, 0],
  ['seckbacher-landstrasse', 'Seckbacher Landstraße', 50.1317, 8.7147, 12, 0],
  ['hauptfriedhof', 'Hauptfriedhof, Eckenheimer Landstraße', 50.1321, 8.6842, 12, 0],
  ['nationalbibliothek', 'Deutsche Nationalbibliothek, Adickesallee', 50.1307, 8.6821, 14, 0],
  ['holzhausenstrasse', 'Holzhausenstraße', 50.1257, 8.6783, 14, 0],
  ['universitaet-westend', 'Goethe-Universität, Campus Westend', 50.1283, 8.6672, 24, 8],
  ['gruneburgweg', 'Grüneburgweg', 50.1213, 8.6712, 14, 0],
  ['siesmayerstrasse', 'Siesmayerstraße, Palmengarten', 50.1224, 8.6608, 12, 0],
  ['bockenheimer-warte', 'Bockenheimer Warte', 50.1197, 8.6525, 24, 0],
  ['leipziger-strasse', 'Leipziger Straße', 50.1221, 8.6468, 14, 0],
  ['kirchplatz', 'Kirchplatz, Bockenheim', 50.1247, 8.6417, 12, 0],
  ['westbahnhof', 'Westbahnhof', 50.119, 8.6397, 16, 6],
  ['messe', 'Messe, Festhalle', 50.1117, 8.6522, 24, 0],
  ['skyline-plaza', 'Skyline Plaza, Europa-Allee', 50.1098, 8.6528, 14, 10],
  ['europagarten', 'Europagarten, Europa-Allee', 50.1071, 8.6352, 14, 0],
  ['galluswarte', 'Galluswarte', 50.1043, 8.6448, 16, 0],
  ['rebstock', 'Rebstockbad', 50.1102, 8.6215, 12, 6],
  ['suedbahnhof', 'Südbahnhof, Diesterwegplatz', 50.0997, 8.6858, 24, 8],
  ['schweizer-platz', 'Schweizer Platz', 50.1025, 8.6775, 18, 0],
  ['staedel', 'Städel, Dürerstraße', 50.1027, 8.6735, 12, 0],
  ['affentorplatz', 'Affentorplatz', 50.1045, 8.6885, 14, 0],
  ['lokalbahnhof', 'Lokalbahnhof', 50.1021, 8.6932, 16, 0],
  ['buchrainplatz', 'Oberrad, Buchrainplatz', 50.1007, 8.7243, 10, 0],
  ['universitaetsklinikum', 'Universitätsklinikum, Theodor-Stern-Kai', 50.0952, 8.6588, 16, 6],
  ['niederrad', 'Bahnhof Niederrad', 50.0817, 8.6372, 14, 0],
  ['lyoner-strasse', 'Lyoner Quartier, Lyoner Straße', 50.0793, 8.6299, 12, 6],
  ['stadion', 'Stadion, Mörfelder Landstraße', 50.0712, 8.6448, 16, 0],
  ['griesheim', 'Bahnhof Griesheim', 50.0948, 8.6062, 12, 0],
  ['nied', 'Bahnhof Nied', 50.1019, 8.5717, 10, 0],
  ['hoechst', 'Bahnhof Höchst', 50.1024, 8.5424, 18, 8],
  ['roedelheim', 'Bahnhof Rödelheim', 50.125, 8.607, 14, 0],
  ['hausen', 'Hausen', 50.1349, 8.6262, 10, 0],
  ['ginnheim', 'Ginnheim', 50.1432, 8.6478, 12, 0],
  ['dornbusch', 'Dornbusch', 50.1423, 8.6702, 14, 0],
  ['eschersheim', 'Eschersheim, Weißer Stein', 50.1597, 8.6594, 12, 0],
  ['heddernheim', 'Heddernheim', 50.1582, 8.6433, 12, 0],
  ['nordwestzentrum', 'Nordwestzentrum', 50.1587, 8.6318, 18, 10],
  ['enkheim', 'Enkheim, Hessen-Center', 50.1583, 8.7522, 12, 6],
  ['gateway-gardens', 'Gateway Gardens', 50.0556, 8.5947, 14, 8],
  ['flughafen', 'Flughafen, Terminal 1', 50.0526, 8.5706, 16, 12],
] as const satisfies readonly (readonly [id: string, name: string, lat: number, lon: number, spaces: number, chargers: number])[];

type Ring = readonly (readonly [lon: number, lat: number])[];

/** Where the fleet works: the city without its outer woods, drawn by hand, anticlockwise. */
export const operatingArea: Ring = [
  [8.505, 50.094], [8.522, 50.086], [8.548, 50.084], [8.575, 50.081], [8.588, 50.07], [8.566, 50.064], [8.548, 50.057],
  [8.55, 50.045], [8.572, 50.044], [8.603, 50.048], [8.612, 50.056], [8.632, 50.064], [8.66, 50.064], [8.684, 50.078],
  [8.706, 50.088], [8.736, 50.093], [8.738, 50.104], [8.748, 50.109], [8.765, 50.113], [8.784, 50.121], [8.779, 50.134],
  [8.786, 50.15], [8.766, 50.167], [8.737, 50.164], [8.714, 50.158], [8.706, 50.174], [8.681, 50.181], [8.655, 50.185],
  [8.626, 50.178], [8.602, 50.167], [8.6, 50.149], [8.586, 50.137], [8.558, 50.128], [8.526, 50.12], [8.502, 50.107],
];

/** No ride ends here: squares for people on foot, the river banks, gardens. */
export const noParkingAreas: readonly { id: string; name: string; ring: Ring }[] = [
  { id: 'no-parking-roemerberg', name: 'Römerberg', ring: [[8.6812, 50.1099], [8.683, 50.1099], [8.683, 50.1111], [8.6812, 50.1111]] },
  {
    id: 'no-parking-mainufer-nord', name: 'Nördliches Mainufer, Untermainkai und Mainkai',
    ring: [[8.6662, 50.1029], [8.6706, 50.1044], [8.6748, 50.106], [8.6825, 50.108], [8.6882, 50.1083], [8.6882, 50.1089], [8.6822, 50.1087], [8.6744, 50.1067], [8.6702, 50.1051], [8.6658, 50.1035]],
  },
  {
    id: 'no-parking-mainufer-sued', name: 'Südliches Mainufer, Schaumainkai am Museumsufer',
    ring: [[8.6705, 50.1029], [8.6757, 50.1045], [8.6832, 50.1065], [8.6872, 50.1066], [8.6872, 50.1071], [8.6828, 50.107], [8.6752, 50.1051], [8.6701, 50.1035]],
  },
  { id: 'no-parking-palmengarten', name: 'Palmengarten', ring: [[8.6545, 50.1213], [8.6591, 50.1225], [8.658, 50.1257], [8.6541, 50.1249]] },
  { id: 'no-parking-gruneburgpark', name: 'Grüneburgpark', ring: [[8.6582, 50.1262], [8.6628, 50.1258], [8.664, 50.1298], [8.6592, 50.1302]] },
  { id: 'no-parking-bethmannpark', name: 'Bethmannpark', ring: [[8.6862, 50.1186], [8.6882, 50.1184], [8.6886, 50.1197], [8.6866, 50.1199]] },
];

/** Nobody rides here. */
export const noRideAreas: readonly { id: string; name: string; ring: Ring }[] = [
  { id: 'no-ride-hauptfriedhof', name: 'Hauptfriedhof', ring: [[8.686, 50.133], [8.6935, 50.1335], [8.693, 50.1385], [8.686, 50.1378]] },
  { id: 'no-ride-zoo', name: 'Zoologischer Garten', ring: [[8.6998, 50.1147], [8.7052, 50.1155], [8.7046, 50.1183], [8.7002, 50.1172]] },
];

/** Streets for people on foot, where two-wheelers may pass slowly. */
export const slowAreas: readonly { id: string; name: string; ring: Ring; maximumSpeedKilometresPerHour: number }[] = [
  {
    id: 'slow-zeil', name: 'Zeil, Fußgängerzone', maximumSpeedKilometresPerHour: 6,
    ring: [[8.6797, 50.1138], [8.6862, 50.1144], [8.6861, 50.1149], [8.6796, 50.1143]],
  },
  {
    id: 'slow-fressgass', name: 'Große Bockenheimer Straße, Freßgass', maximumSpeedKilometresPerHour: 6,
    ring: [[8.6728, 50.1149], [8.6765, 50.1141], [8.6767, 50.1144], [8.673, 50.1152]],
  },
];

/** Pricing districts as areas; each H3 cell of resolution 8 belongs to the first that covers its centre. */
export const pricingDistricts: readonly { id: string; name: string; multiplier: number; ring: Ring }[] = [
  { id: 'pricing-innenstadt', name: 'Innenstadt und Bahnhofsviertel', multiplier: 1.2, ring: [[8.66, 50.103], [8.674, 50.105], [8.69, 50.1075], [8.694, 50.113], [8.687, 50.12], [8.67, 50.12], [8.66, 50.113]] },
  { id: 'pricing-messe-westend', name: 'Messe und Westend', multiplier: 1.1, ring: [[8.643, 50.107], [8.66, 50.107], [8.672, 50.119], [8.674, 50.131], [8.655, 50.131], [8.643, 50.12]] },
  { id: 'pricing-flughafen', name: 'Flughafen und Gateway Gardens', multiplier: 1.25, ring: [[8.548, 50.043], [8.606, 50.046], [8.606, 50.06], [8.548, 50.06]] },
  { id: 'pricing-west', name: 'Höchst, Nied und Griesheim', multiplier: 0.9, ring: [[8.5, 50.085], [8.62, 50.085], [8.62, 50.106], [8.56, 50.128], [8.5, 50.118]] },
];
