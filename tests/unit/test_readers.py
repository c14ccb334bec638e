"""Readers: what is read in a text, what is not, and that no text takes long."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reading.dates import Told, date_mentions, dates
from schemas.reading.numbers import numbers

NUMBERS = """
1,284 tasks | 1284 1.284 | 1 284
1.284 tareas | 1284 1.284 | 128.4
12 400 runs | 12400 12 400 | 12.4
12'400 Fr | 12400 | 12.4
12\u00a0400 € | 12400 | 1240
12\u202f400 € | 12400 | 1240
$1,234.56 | 1234.56 | 123456
1.234,56 € | 1234.56 | 123456
1,234,567.89 | 1234567.89 | 123456789 1234567 89
1.234.567,89 | 1234567.89 | 1.234567 1234567
S/ 2,450.00 | 2450 | 245000
MXN 18.900,5 | 18900.5 | 189005 18900 18.9
12,000 pounds sterling | 12000 | 12 0
18.532 USD | 18532 | 18.532
7,200€ | 7200 | 7.2
$1,234 | 1234 | 1.234
S/ 2.450 | 2450 | 2.45
1.250 million euros | 1250000 | 12500000
4.125 s | 4.125 4125 | 125
$0.125 a call | 0.125 | 125
USD 1234.000 | 1234 | 234
10,12,14 rooms | 10 12 14 | 101214
R$ 99,90 | 99.9 | 9990
£0.07 | 0.07 | 0.7
about 30% done | 30 | 0.3
30 por ciento | 30 | 3
99.95 percent | 99.95 | 9995
al 7,5 % | 7.5 | 75
12k calls | 12000 12 | 120
12 K | 12000 | 12000000
3.5k | 3500 | 35
€4.2M | 4200000 | 42
4 million | 4000000 | 400000
4,2 millones de pesos | 4200000 | 42
1 millón | 1000000 1 | 100000
2 millions | 2000000 | 20
1.2bn | 1200000000 | 12
1.5 billion | 1500000000 | 15
1,2 mil millones | 1200000000 | 12
2.5 MM | 2500000 | 25
85 mil soles | 85000 | 850
12 miles de tareas | 12000 | 120
40 thousand | 40000 | 400
850 ms | 850 | 8500
4.2 s | 4.2 4200 | 42
4,2 segundos | 4.2 4200 | 42
3 seconds | 3000 3 | 30
1.5 sec | 1500 | 15
900 segs | 900000 | 9
2 minutes | 2 120000 | 20
2 min | 120000 | 20
3 minutos | 180000 | 30
p95 at 1,250 ms | 1250 | 125
zero failures | 0 | 1
one failure | 1 | 10
seven | 7 | 70
twelve | 12 | 2
nineteen | 19 | 90
twenty-one | 21 | 201
twenty one | 21 | 201
ninety nine | 99 | 909
one hundred | 100 | 1000
a hundred | 100 | 10
one hundred and five | 105 | 1005
two hundred thirty-four | 234 | 20034
twelve hundred | 1200 | 12100
five thousand | 5000 | 500
five thousand three hundred and two | 5302 | 5000302
two hundred and five thousand | 205000 | 200005
three million two hundred thousand | 3200000 | 3000200
one billion | 1000000000 | 1000000
four point two | 4.2 | 42
four point two five | 4.25 | 425
zero point five | 0.5 | 50
twelve point seven seconds | 12.7 12700 | 127
three seconds | 3000 | 30
two minutes | 120000 | 20
half | 50 | 2
halfway there | 50 | 2
three quarters | 75 | 7
a dozen | 12 | 2
twice | 2 | 20
a couple of errors | 2 | 20
once more | 1 | 111
a concern about data third-party access | | 33
one point one zero five | 1.105 | 1.15
uno | 1 | 10
veintiún fallos | 21 | 201
veintidós | 22 | 202
treinta y cinco | 35 | 305
noventa y nueve | 99 | 909
cien | 100 | 10
ciento veinte | 120 | 10020
quinientas tareas | 500 | 5
doscientos cinco | 205 | 2005
novecientas noventa | 990 | 90090
mil | 1000 | 100
mil doscientos | 1200 | 1000200
veinte mil | 20000 | 2000
doscientos cinco mil trescientos | 205300 | 205000300
un millón doscientos mil | 1200000 | 1200
dos mil millones | 2000000000 | 1002000
cuatro coma dos | 4.2 | 42
cuatro coma veinticinco | 4.25 | 425
tres segundos | 3000 | 300
la mitad | 50 | 5
tres cuartos | 75 | 34
una docena | 12 | 2
twelve, twenty-five and thirty | 12 25 30 | 67 57 37 55
on May five, twenty-two tasks | 5 22 | 27
five twenty-two | 5 22 | 27
diez, once y doce | 10 11 12 | 33 21 23
twelve and thirty | 12 30 | 42 1230
-3.5 °C | -3.5 3.5 | -35
−12% | -12 12 | 0
(-7) | -7 | 0
-$300 | -300 | 0
minus three | -3 3 | 0
menos dos | -2 | 0
menos 4 | -4 | 0
5-3 | 5 3 | -3
10-12 tasks | 10 12 | -12 1012
10 12 | 10 12 | 1012
INC-2231 | 2231 | -2231 22
v1.2.3 | 1.2 2.3 3 | 123
٣٤ | 34 | 3
x² | | 2
it closed 3,218 of them | 3218 | 321
3.218 casos | 3218 3.218 | 321
failed: 141 | 141 | 14
p95=2,350ms | 2350 | 235
p95 2,35 s | 2.35 2350 | 235
USD 4,102.75 | 4102.75 | 410275
4.102,75 EUR | 4102.75 | 410275
€1,5k | 1.5 1500 | 15000
1.5K€ | 1500 | 15000
US$ 18,900 | 18900 | 189
$ 0.50 | 0.5 | 500
50 cents | 50 | 0.5
R$ 1.250,00 | 1250 | 125000
S/. 32.435 | 32435 | 324350
MX$7,812.4 | 7812.4 | 78124
12 mil pesos | 12000 | 120
12,5 mil euros | 12500 | 125
medio millón | 50 | 5
dos millones y medio | 2000000 | 25
1,25 millones | 1250000 | 125000000
three thousand and five | 3005 | 30005
thirty thousand | 30000 | 3000
ninety five percent | 95 | 905
ninety-five per cent of requests | 95 | 905
a quarter | 25 | 4
two thirds | 67 | 23
un tercio | 33 | 3
dos tercios | 67 | 23
tres cuartas partes | 75 | 34
none of the 12 | 12 | 120
0 errors | 0 | 10
no fewer than 17 | 17 | 1
from 12 to 15 | 12 15 | 1215
12/15 passed | 12 15 | 1215
12 of 15 | 12 15 | 1215
12+3 | 12 3 | 15 123
+12 | 12 | -12
~12 | 12 | -12
≈ 1,200 | 1200 | -1200
>90% | 90 | 9
<5 ms | 5 | 0.5
[42] | 42 | 4
(42) | 42 | -42
"42" | 42 | 4
42. | 42 | 4.2
42, 43 and 44 | 42 43 44 | 4243
1,2,3 | 1 2 3 | 123
1.000 | 1000 1 | 10
1.000.000 | 1000000 | 100
10,000,000 | 10000000 | 100
0,5 | 0.5 | 50
0.05 | 0.05 | 50
007 | 7 | 70
100 % | 100 | 10
99,9% | 99.9 | 999
one hundred percent | 100 | 1000
ciento uno | 101 | 1001
mil uno | 1001 | 10001
dos mil veintiséis | 2026 | 200026
veintiún mil | 21000 | 2100
treinta y un mil | 31000 | 3001000
cien mil | 100000 | 1000
doscientos mil | 200000 | 2000
setecientos cincuenta | 750 | 70050
quinientos mil | 500000 | 5000
forty-two thousand one hundred | 42100 | 42000100
six hundred and sixty-six | 666 | 60066
fifteen hundred | 1500 | 15100
1 hour | 1 60 3600 | 61
90 seconds | 90 90000 | 9
15 secs | 15000 | 150
half a second | 50 | 5
0.8 s | 800 | 80
800ms | 800 | 8
1m runs | 1000000 | 10
2 mil | 2000 | 20
7 mil millones | 7000000000 | 70000
a couple of hundred | 2 | 20
eighty | 80 | 8
seventeen | 17 | 70
cuarenta | 40 | 4
sesenta y seis | 66 | 606
ochenta y ocho por ciento | 88 | 808
nothing here | | 0 1
""".strip().splitlines()

DATES = """
2026-03-14 | 2026-03-14 | 2026-05-14
14/03/2026 | 2026-03-14 | 2026-04-14
03/14/2026 | 2026-03-14 | 2026-04-14
4/5/2026 | 2026-04-05 2026-05-04 | 2026-06-05
14.03.2026 | 2026-03-14 | 2026-04-14
14-03-26 | 2026-03-14 | 2026-04-14
14/3/26 | 2026-03-14 | 2026-04-14
14-mar-26 | 2026-03-14 | 2026-04-14
14-Mar-2026 | 2026-03-14 | 2026-04-14
2026/3/4 | 2026-03-04 | 2026-05-04
March 14, 2026 | 2026-03-14 | 2026-05-14
14 March 2026 | 2026-03-14 | 2026-05-14
14th of March 2026 | 2026-03-14 | 2026-04-14
Mar 14 '26 | 2026-03-14 | 2026-04-14
Sept 9, 2026 | 2026-09-09 | 2026-08-09
Sep. 9, 2026 | 2026-09-09 | 2026-08-09
the 22nd of May 2026 | 2026-05-22 | 2026-05-23
May the first, 2026 | 2026-05-01 | 2026-05-02
the twenty-second of May 2026 | 2026-05-22 | 2026-05-23
thirtieth of June 2026 | 2026-06-30 | 2026-06-29
thirty-first of July 2026 | 2026-07-31 | 2026-07-29
May twenty-two, 2026 | 2026-05-22 | 2026-05-23
14 de marzo de 2026 | 2026-03-14 | 2026-05-14
14 marzo 2026 | 2026-03-14 | 2026-05-14
el 1.º de mayo de 2026 | 2026-05-01 | 2026-05-02
primero de mayo de 2026 | 2026-05-01 | 2026-05-02
el veintidós de mayo de 2026 | 2026-05-22 | 2026-05-23
5 de setiembre de 2026 | 2026-09-05 | 2026-08-05
5 de septiembre del 2026 | 2026-09-05 | 2026-08-05
3 ene 2026 | 2026-01-03 | 2026-02-03
3 abr. 2026 | 2026-04-03 | 2026-02-03
3 ago 2026 | 2026-08-03 | 2026-02-03
3 dic 2026 | 2026-12-03 | 2026-02-03
29 February 2024 | 2024-02-29 | 2023-03-01
31 April 2026 | 2026-04-30 | 2026-05-01
14 October (that year being 2026) | 2026-10-14 | 2026-11-14
due the 22nd; plan of 3 May 2026 | 2026-05-22 2026-05-03 | 2026-05-21
3 May twenty twenty-six | 2026-05-03 | 2026-06-03
3 de mayo de dos mil veintiséis | 2026-05-03 | 2026-06-03
3 May two thousand twenty-six | 2026-05-03 | 2026-06-03
March 2026 | 2026-03-01 2026-03-31 | 2026-03-15
marzo de 2026 | 2026-03-01 2026-03-31 | 2026-03-15
2026-03 | 2026-03-01 2026-03-31 | 2026-04-30
03/2026 | 2026-03-01 2026-03-31 | 2026-04-30
Q1 2026 | 2026-01-01 2026-03-31 | 2026-06-30
Q3 FY26 | 2026-07-01 2026-09-30 | 2026-06-30
3T 2026 | 2026-07-01 2026-09-30 | 2026-06-30
second quarter of 2026 | 2026-04-01 2026-06-30 | 2026-05-31
segundo trimestre de 2026 | 2026-04-01 2026-06-30 | 2026-05-31
H1 2026 | 2026-01-01 2026-06-30 | 2026-09-30
second half of 2026 | 2026-07-01 2026-12-31 | 2026-09-30
primer semestre 2026 | 2026-01-01 2026-06-30 | 2026-09-30
the whole of 2026 | 2026-01-01 2026-12-31 | 2026-02-28
week of 2 March 2026 | 2026-03-02 2026-03-06 2026-03-08 | 2026-03-09
semana del 2 de marzo de 2026 | 2026-03-02 2026-03-08 | 2026-03-09
week 12 of 2026 | 2026-03-16 2026-03-22 2026-03-20 | 2026-03-23
W12 2026 | 2026-03-16 2026-03-22 | 2026-03-23
semana 53, 2026 | 2026-12-28 2027-01-03 | 2027-01-04
28 December to 3 January 2026 | 2025-12-28 2026-01-03 | 2024-12-28
15 Nov 2026, due 10 January | 2027-01-10 | 2028-01-10
from 28 Sept to 4 Oct 2026 | 2026-09-28 2026-10-04 | 2026-10-28 2026-09-04 2025-09-28
5-11 Oct 2026 | 2026-10-05 2026-10-11 | 2026-05-11
October 5–11, 2026 | 2026-10-05 2026-10-11 | 2026-05-11
the 3rd, 4th and 9th of October 2026 | 2026-10-03 2026-10-04 2026-10-09 | 2026-03-04
del 5 al 11 de octubre del 2026 | 2026-10-05 2026-10-11 | 2026-05-11
5 to 11/10/2026 | 2026-10-05 2026-10-11 2026-11-10 | 2026-05-11
Q3 2026, on Friday 9 July | 2026-07-09 | 2025-07-09 2027-07-09
October 2027, by Mon, 10th January | 2028-01-10 | 2027-01-10 2029-01-10
Report for Q4 2026; it broke on the 22nd | 2026-10-22 2026-11-22 2026-12-22 | 2026-09-22
octubre de 2026; el martes 6 cayó | 2026-10-06 | 2026-10-07
in May 2026, it may slip 3 | 2026-05-01 2026-05-31 | 2026-05-03
refund-desk-2 / May 2026 | 2026-05-01 2026-05-31 | 2026-05-02
bot-v7, October 2026 | 2026-10-01 | 2026-10-07
October 2026: 12 done, 4 failed, 9% left, 3 ms | 2026-10-31 | 2026-10-12 2026-10-04 2026-10-09 2026-10-03
1. Apr 4, 2026: call | 2026-04-04 | 2026-05-04
(2) May 9, 2026 | 2026-05-09 | 2026-05-02
14-Mar-26 to 2026-03-20 | 2026-03-14 2026-03-20 | 2014-03-26
wk of February 17 - 23, 2025 | 2025-02-17 2025-02-23 2025-02-21 | 2025-02-18
el cuarto trimestre de 2023 | 2023-10-01 2023-12-31 | 2023-01-25
2026-Q3, Q1-27 | 2026-07-01 2026-09-30 2027-01-01 2027-03-31 | 2026-12-31
1S 2026 | 2026-01-01 2026-06-30 | 2026-12-31
3.º trimestre de 2026 | 2026-07-01 2026-09-30 | 2026-03-31
the fifth to the twenty-first of May 2026 | 2026-05-05 2026-05-21 | 2026-05-20
May twenty two two thousand twenty six | 2026-05-22 | 2026-05-23
10:30 on 3/5/2026 | 2026-05-03 2026-03-05 | 2026-10-30
at $12 in May 2026 | 2026-05-01 | 2026-05-12
7 nov 2028-26 feb 2029 | 2028-11-07 2029-02-26 | 2029-11-07
January 2026, week 5 | 2026-01-26 2026-02-01 2026-01-30 | 2026-01-05
0000-01-02, week 3; 0000-00-00 | | 2000-01-02
2026-00-12 and 2026-13-12, year 2026 | 2026-01-01 | 2026-12-12
31/12/9999, week 52 of 9999 | 9999-12-31 | 9999-01-12
yesterday | | 2026-01-01
14 March | | 2026-03-14
2026 | 2026-01-01 2026-12-31 | 2026-05-05
on 3.10.2026 | 2026-10-03 2026-03-10 | 2026-10-30
03-10-2026 | 2026-10-03 2026-03-10 | 2026-10-30
2026.10.03 | 2026-10-03 | 2026-03-10
2026-10-03T08:15:00Z | 2026-10-03 | 2026-10-08
Saturday, October 3, 2026 | 2026-10-03 | 2026-10-04
Sat 3 Oct 2026 | 2026-10-03 | 2026-10-04
3-Oct-2026 | 2026-10-03 | 2026-10-04
3/Oct/2026 | 2026-10-03 | 2026-10-04
Oct-3-2026 | 2026-10-03 | 2026-10-04
3Oct2026 in a log | | 2026-10-04
OCTOBER 3RD, 2026 | 2026-10-03 | 2026-10-04
october 3 2026 | 2026-10-03 | 2026-10-04
the third of October, 2026 | 2026-10-03 | 2026-10-04
October the third 2026 | 2026-10-03 | 2026-10-04
October third, twenty twenty-six | 2026-10-03 | 2026-10-04
2026, October 3 | 2026-10-03 | 2026-10-04
2026 Oct 3 | 2026-10-03 | 2026-10-04
sábado 3 de octubre de 2026 | 2026-10-03 | 2026-10-04
el día 3 de octubre del 2026 | 2026-10-03 | 2026-10-04
tres de octubre de 2026 | 2026-10-03 | 2026-10-04
3 de oct de 2026 | 2026-10-03 | 2026-10-04
3-oct-26 | 2026-10-03 | 2026-10-04
3/10/26 | 2026-10-03 2026-03-10 | 2026-10-26
1ro de julio de 2026 | 2026-07-01 | 2026-07-02
1º de julio de 2026 | 2026-07-01 | 2026-07-02
uno de julio de 2026 | 2026-07-01 | 2026-07-02
treinta y uno de julio de 2026 | 2026-07-31 | 2026-07-03
veintiuno de julio de 2026 | 2026-07-21 | 2026-07-20
January 31, 2026 | 2026-01-31 | 2026-01-01
30 February 2026 | 2026-02-01 2026-02-28 | 2026-03-02
from 1 to 31 December 2026 | 2026-12-01 2026-12-31 | 2026-01-31
1–31 Dec 2026 | 2026-12-01 2026-12-31 | 2026-01-31
Dec 1 through 31, 2026 | 2026-12-01 2026-12-31 | 2026-01-31
Dec 28, 2026 - Jan 3, 2027 | 2026-12-28 2027-01-03 | 2026-01-03 2027-12-28
28 Dec – 3 Jan 2027 | 2026-12-28 2027-01-03 | 2027-12-28
del 28 de diciembre de 2026 al 3 de enero de 2027 | 2026-12-28 2027-01-03 | 2026-01-03
del 28 de diciembre al 3 de enero de 2027 | 2026-12-28 2027-01-03 | 2027-12-28
entre el 5 y el 9 de mayo de 2026 | 2026-05-05 2026-05-09 | 2026-05-01
between the 5th and the 9th of May 2026 | 2026-05-05 2026-05-09 | 2026-05-31
2026-05-05..2026-05-09 | 2026-05-05 2026-05-09 | 2026-05-01
2026-05-05/2026-05-09 | 2026-05-05 2026-05-09 | 2026-05-01
05/05/2026 to 09/05/2026 | 2026-05-05 2026-05-09 | 2026-05-31
5, 7 y 9 de mayo de 2026 | 2026-05-05 2026-05-07 2026-05-09 | 2026-05-01
May 5 & 7, 2026 | 2026-05-05 2026-05-07 | 2026-05-01
Mon 5 and Tue 6 October 2026 | 2026-10-05 2026-10-06 | 2026-10-01
week of October 5–11, 2026 | 2026-10-05 2026-10-11 | 2026-10-01
la semana del 5 al 11 de octubre de 2026 | 2026-10-05 2026-10-11 | 2026-10-01
w/c 5 Oct 2026 | 2026-10-05 2026-10-09 2026-10-11 | 2026-10-01
KW41 2026 | 2026-10-05 2026-10-11 | 2026-10-12
wk 41, 2026 | 2026-10-05 2026-10-11 | 2026-10-12
Oct. 2026 | 2026-10-01 2026-10-31 | 2026-10-15
Oct '26 | 2026-10-01 2026-10-31 | 2026-10-26
octubre del 2026 | 2026-10-01 2026-10-31 | 2026-11-01
todo octubre de 2026 | 2026-10-01 2026-10-31 | 2026-11-01
the month of October, 2026 | 2026-10-01 2026-10-31 | 2026-11-01
August to October 2026 | 2026-08-01 2026-10-31 | 2026-09-15
de agosto a octubre de 2026 | 2026-08-01 2026-10-31 | 2026-09-15
10/2026 | 2026-10-01 2026-10-31 | 2026-11-01
2026/10 | 2026-10-01 2026-10-31 | 2026-11-01
Q4 '26 | 2026-10-01 2026-12-31 | 2026-09-30
Q4/2026 | 2026-10-01 2026-12-31 | 2026-09-30
4Q 2026 | 2026-10-01 2026-12-31 | 2026-09-30
2026 Q4 | 2026-10-01 2026-12-31 | 2026-09-30
the fourth quarter of 2026 | 2026-10-01 2026-12-31 | 2026-09-30
fourth quarter, 2026 | 2026-10-01 2026-12-31 | 2026-09-30
T4 de 2026 | 2026-10-01 2026-12-31 | 2026-09-30
4.º trimestre de 2026 | 2026-10-01 2026-12-31 | 2026-09-30
tercer trimestre del 2026 | 2026-07-01 2026-09-30 | 2026-06-30
H2 2026 | 2026-07-01 2026-12-31 | 2026-06-30
first half of 2026 | 2026-01-01 2026-06-30 | 2026-12-31
S2 2026 | 2026-07-01 2026-12-31 | 2026-06-30
segundo semestre de 2026 | 2026-07-01 2026-12-31 | 2026-06-30
FY2026 | 2026-01-01 2026-12-31 | 2026-06-30
FY26 | 2026-01-01 2026-12-31 | 2026-06-30
el año 2026 | 2026-01-01 2026-12-31 | 2026-06-30
September 2026, on the 9th | 2026-09-09 | 2026-10-09
September 2026, on Wed the 9th | 2026-09-09 | 2026-10-09
septiembre de 2026, el día 9 | 2026-09-09 | 2026-10-09
septiembre de 2026, el 9 | 2026-09-09 | 2026-10-09
septiembre de 2026, del 9 al 12 | 2026-09-09 2026-09-12 | 2026-10-09
September 2026; 9/9 | 2026-09-09 | 2026-10-09
September 2026; 9/30 | 2026-09-30 | 2026-03-09
September 2026; 30/9 | 2026-09-30 | 2026-03-09
December 2026, due 15 January | 2027-01-15 | 2026-01-15 2028-01-15
enero de 2026, vino el 28 de diciembre | 2025-12-28 | 2026-12-28 2024-12-28
Q1 2026, 30 Dec | 2025-12-30 | 2026-12-30
2026: 14 March or 14 October | 2026-03-14 2026-10-14 | 2026-12-14
due Friday 5 June; 2026 | 2026-06-05 | 2025-06-05
3,218 done in May 2026, 14 failed | 2026-05-01 | 2026-05-14 2026-05-03
May 2026 | 2026-05-01 2026-05-31 | 2026-05-26
version 2.10 of May 2026 | 2026-05-01 | 2026-05-10 2026-05-02
room 12, May 2026 | 2026-05-31 | 2025-05-31
call +34 600 12 10 2026 | | 2026-10-12
version 1.2.3 of 10:00 | | 2003-01-02
""".strip().splitlines()


def told(lines: list[str]) -> list[tuple[str, list[str], list[str]]]:
    rows = (line.split("|") for line in lines)
    return [(text.strip(), is_read.split(), is_not.split()) for text, is_read, is_not in rows]


def test_the_tables_are_long_enough() -> None:
    assert len(NUMBERS) + len(DATES) >= 300


@pytest.mark.parametrize(("text", "is_read", "is_not"), told(NUMBERS), ids=[row[0] for row in told(NUMBERS)])
def test_a_number_is_read_in_each_of_its_forms(text: str, is_read: list[str], is_not: list[str]) -> None:
    found = numbers(text)
    assert set(map(Decimal, is_read)) <= found
    assert not found & set(map(Decimal, is_not))


@pytest.mark.parametrize(("text", "is_read", "is_not"), told(DATES), ids=[row[0] for row in told(DATES)])
def test_a_date_is_read_in_each_of_its_forms(text: str, is_read: list[str], is_not: list[str]) -> None:
    found = {day.isoformat() for day in dates(text)}
    assert set(is_read) <= found
    assert not found & set(is_not)


@pytest.mark.parametrize(
    ("text", "day", "cut", "told"),
    [
        ("due 3 de oct. de 2026.", "2026-10-03", "3 de oct. de 2026", Told.DAY), ("5-11 October 2026", "2026-10-11", "11 October 2026", Told.DAY),
        ("October 5-11, 2026", "2026-10-11", "October 5-11, 2026", Told.DAY), ("in Q3 2026", "2026-09-30", "Q3 2026", Told.END), ("Año 2026", "2026-12-31", "2026", Told.YEAR_END),
        ("May 2026; on the 9th", "2026-05-09", "9th", Told.BARE_DAY), ("ÁÉ 2º de mayo de 2026", "2026-05-02", "2º de mayo de 2026", Told.DAY),
    ],
)  # fmt: skip
def test_a_day_has_the_words_it_is_read_from(text: str, day: str, cut: str, told: Told) -> None:
    found = [mention for mention in date_mentions(["nothing", text]) if mention.day.isoformat() == day]
    assert [(m.text, text[m.start : m.end], m.told) for m in found] == [(1, cut, told)]


def test_what_one_text_leaves_out_another_tells() -> None:
    assert dt.date(2026, 10, 14) in dates("It is on 14 October.", "The report for September 2026") and dt.date(2026, 9, 22) in dates("the 22nd", "September 2026")


def test_a_number_too_large_for_any_field_is_not_read() -> None:
    assert not numbers("9" * 16) and not numbers("9" * 20_000)
    assert numbers("9" * 15) == {Decimal("9" * 15)}


SHAPES = {
    "digits": "7", "dots": "1.", "commas": "123,", "spaced": "123 ", "dashes": "-", "dates": "12/3/26 ", "years": "1999 2000 3 may ", "points": "one point ",
    "joiners": "one and ", "trailing": "and ", "hundreds": "hundred ", "millions": "mil millones ", "minus": "minus ", "letters": "x", "blanks": " ", "lines": "\n", "bullets": "- \n",
    "units": "1.5 mil millones ", "quotes": "'26", "weeks": "week 12 ", "months and days": "3/20", "bare days": "the 5, ", "accents": "e\u0301", "emoji": "😀", "number words": "veintidós y cinco mil, ",
}  # fmt: skip


@pytest.mark.parametrize("piece", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("first", ["", "one ", "2026 ", " ".join(f"{month}/{year}" for year in range(1990, 2060) for month in range(1, 13)) + " "])
def test_no_text_of_the_longest_length_takes_long(first: str, piece: str) -> None:
    text = (first + piece * 20_000)[:20_000]
    began = time.process_time()
    numbers(text)
    dates(text)
    assert time.process_time() - began < 5.0  # 0.4 s at most on an idle core; reading that grows with the square takes minutes


PIECES = st.sampled_from([*"0123456789.,'-/ :%$€kM\n\u00a0", "one", "and", "point", "hundred", "mil", "millones", "y", "coma", "May", "2026", "week", "Q1", "menos"])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES, max_size=40).map(" ".join)))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    assert all(abs(value) < 10**15 and value.is_finite() for value in numbers(text))
    assert all(isinstance(day, dt.date) for day in dates(text))


@settings(max_examples=200, deadline=None)
@given(st.dates(dt.date(1990, 1, 1), dt.date(2099, 12, 31)), st.sampled_from(["{d:%Y-%m-%d}", "{d:%d/%m/%Y}", "{d:%B} {d.day}, {d.year}", "{d.day} {d:%b} {d:%Y}"]))
def test_every_day_written_is_read(day: dt.date, form: str) -> None:
    assert day in dates(f"done by {form.format(d=day)}.")


@settings(max_examples=200, deadline=None)
@given(st.decimals(-(10**9), 10**9, places=2))
def test_every_number_written_is_read_in_both_languages(value: Decimal) -> None:
    english = f"{value:,}"
    spanish = english.translate(str.maketrans(",.", ".,"))
    assert value in numbers(f"it was {english} then") and value in numbers(f"fue {spanish} entonces")
